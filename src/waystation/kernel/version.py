"""The version of the product."""

VERSION = __version__ = "0.1.0"
