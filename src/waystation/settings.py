"""The one settings file of the server: reads the installation's folder and the environment, decides nothing else.

An installation is a folder: `waystation.toml`, `secrets/` (mode 0600), the database, the telemetry log. Its place is
`WAYSTATION_DATA`, else `~/.local/share/waystation`. Every key of the file may be overridden by `WAYSTATION_<KEY>`.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from waystation import wiring
from waystation.kernel.refusals import BadInput

PACKAGE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("WAYSTATION_DATA") or Path.home() / ".local/share/waystation").resolve()
_FILE: dict[str, Any] = (
    tomllib.loads((DATA / "waystation.toml").read_text()) if (DATA / "waystation.toml").is_file() else {}
)


def _setting(key: str, default: str = "") -> str:
    """`key` from the environment, else from the file, else the default."""
    return str(os.environ.get(f"WAYSTATION_{key.upper()}") or _FILE.get(key, default))


def _database(url: str) -> dict[str, Any]:
    """A Django database entry for `sqlite:///path` or `postgresql://user:password@host:port/name`."""
    if not url:
        url = f"sqlite:///{DATA / 'waystation.sqlite3'}"
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=10000; PRAGMA foreign_keys=ON;"
        options = {"transaction_mode": "IMMEDIATE", "init_command": pragmas, "timeout": 10}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": unquote(parts.path), "OPTIONS": options}
    if parts.scheme not in ("postgresql", "postgres"):
        raise BadInput(
            "platform.database_url",
            f"The database URL begins with {parts.scheme or 'nothing'}://, which is neither sqlite nor postgresql.",
            "Write postgresql://user@host/name, or leave it out for SQLite.",
            field="database-url",
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": dict(parse_qsl(parts.query)).get("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _secret_key() -> str:
    """The key that `waystation init` made; before that, one that lives as long as the process."""
    path = DATA / "secrets" / "secret_key"
    return path.read_text().strip() if path.is_file() else secrets.token_urlsafe(50)


SECRET_KEY = _secret_key()
DEBUG = False
INSTALLATION = _setting("installation", "waystation.local")  # the name that stands in checkpoints
DEMO = _setting("demo") == "1"
BEHIND_TLS = _setting("tls") == "1" or _setting("behind_proxy") == "1"
PUBLIC_URL = _setting("public_url", "http://127.0.0.1:8000")
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", *filter(None, _setting("allowed_hosts").split(","))]
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in filter(None, _setting("allowed_hosts").split(","))]

DATABASES = {"default": _database(_setting("database_url"))}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "ninja",
    "waystation.evidence",
    "waystation.access",
    "waystation.registry",
    *(f"waystation.{room}" for room in wiring.ROOMS),
    "waystation.console",
]
MIDDLEWARE = [
    "waystation.console.security.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "waystation.console.security.SignedInOnly",
    "waystation.console.reader.ReadersTaste",
    "waystation.api.receipts.Receipts",
    "waystation.api.replies.RepeatedRequests",
    "waystation.console.refused.Refusals",
]
ROOT_URLCONF = "waystation.urls"
WSGI_APPLICATION = None
ASGI_APPLICATION = "waystation.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "console" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "waystation.console.frame.frame",
            ],
            "builtins": ["waystation.console.templatetags.say"],
        },
    }
]

AUTH_USER_MODEL = "access.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "waystation.console.sign_in.ClosedSignUp"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/sign-in/"
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key", "login": "60/m/ip"}
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "waystation.console.refused.csrf_failure"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _setting("behind_proxy") == "1" else None
SECURE_HSTS_SECONDS = 31536000 if BEHIND_TLS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = PACKAGE / "console" / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST, EMAIL_PORT = _setting("smtp_host", "127.0.0.1"), int(_setting("smtp_port", "25"))
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _setting("smtp_user"), _setting("smtp_password")
EMAIL_USE_TLS = _setting("smtp_tls") == "1"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = _setting("mail_from", "waystation@localhost")
PLATFORM_OWNER = _setting("platform_owner")  # the address told when nothing can be recorded
NOTIFY = _setting("notify", "smtp")  # smtp | folder
INGEST_URL = _setting("ingest_url")  # the ingest process, to which the web passes writes on
MQTT_URL = _setting("mqtt_url")  # mqtt://user:password@host:1883 or mqtts://...; empty: no broker is followed
WEBHOOK_SECRET = _setting("webhook_secret")
WEBHOOK_PAUSE_DAYS = float(_setting("webhook_pause_days", "3"))  # of failing in a row, until it is paused
WEBHOOK_HOSTS = [*filter(None, _setting("webhook_hosts").split(","))]
LOG_KEY = _setting(
    "log_key"
)  # empty: secrets/log_key; else a URI of RFC 7512, pkcs11:token=...;object=...?module-path=...
LOG_KEY_CLASS = wiring.LOG_KEY_CLASS
TIME_STAMPER = _setting("time_stamper")  # https://authority.example/tsr, or folder:/path for an exchange by files
WITNESSES = _setting("witnesses")  # "VKEY URL, VKEY URL": who cosigns the heads of the log
WITNESS_QUORUM = _setting("witness_quorum")  # how many of them must; all when nothing is said
REGULATED = _setting("regulated") == "1"  # signing of packs waits for the witnesses; needs one

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": _setting("log_level", "WARNING")},
}
