"""Where a webhook goes: the address that was checked, under the name that was asked for, and nowhere private."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from waystation.adapters.notify.webhook.transport import WebhookTransport, addresses_of
from waystation.evidence.ports import NotSent, Outgoing

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NAME = "hook.invalid"  # no resolver knows it: a second look-up by anybody fails


class Book:
    """A look-up that answers from a list and keeps what was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, int]]()

    def __call__(self, host: str, port: int) -> list[str]:
        """The next answer."""
        self.asked.append((host, port))
        return self.answers.pop(0)


class Hook:
    """A real HTTP server on loopback, encrypted when it gets a certificate; keeps the names that it was called by."""

    def __init__(self, certificate: Path | None = None, status: int = 204, onward: str = "") -> None:
        self.hosts: list[str] = []
        self.names: list[str | None] = []
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                mine.hosts.append(self.headers["host"])
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                if onward:
                    self.send_header("Location", onward)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.sni_callback = lambda _socket, name, _context: self.names.append(name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def opened() -> Iterator[Any]:
    """Makes hooks and closes them."""
    made: list[Hook] = []

    def make(*words: Any, **named: Any) -> Hook:
        made.append(Hook(*words, **named))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def environment() -> Iterator[Any]:
    """The environment of this process, given back as it was."""
    before = dict(os.environ)
    yield os.environ
    os.environ.clear()
    os.environ.update(before)


def _certificate(folder: Path, name: str) -> Path:
    """A certificate with its key in one file, made for `name` by itself."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def _message(url: str) -> Outgoing:
    return Outgoing("ev-1", url, "incident.opened", "", {"incident": "INC-1"})


def test_sec_11_a_name_is_looked_up_once_and_the_checked_address_is_called(opened: Any) -> None:
    """A name that the machine's own resolver does not know arrives, under its name and port."""
    hook, book = opened(), Book(["127.0.0.1"])
    url = f"http://{NAME}:{hook.port}/hook"
    receipt = WebhookTransport(SECRET, (NAME,), look_up=book).send(_message(url))
    assert receipt == "204 ev-1"
    assert book.asked == [(NAME, hook.port)]
    assert hook.hosts == [f"{NAME}:{hook.port}"]


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["224.0.0.1"],
        ["0.0.0.0"],
        ["::1"],
        ["fe80::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["2001:4860:4860::8888", "127.0.0.1"],
    ],
)
def test_sec_11_one_private_address_among_them_refuses_the_name(answers: list[str], opened: Any) -> None:
    """Loopback, own network, link-local, carrier's, multicast and mapped ones; nothing is called."""
    hook = opened()
    with pytest.raises(NotSent, match="private address; list it"):
        WebhookTransport(SECRET, look_up=Book(answers)).send(_message(f"http://{NAME}:{hook.port}/hook"))
    assert hook.hosts == []


def test_sec_11_encryption_asks_for_the_certificate_of_the_name(
    opened: Any, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Connected by address, the server is still asked for, and proved by, the name."""
    own = _certificate(tmp_path, NAME)
    hook = opened(own)
    environment["SSL_CERT_FILE"] = str(own)
    WebhookTransport(SECRET, (NAME,), look_up=Book(["127.0.0.1"])).send(_message(f"https://{NAME}:{hook.port}/hook"))
    assert hook.names == [NAME]
    assert hook.hosts == [f"{NAME}:{hook.port}"]


def test_sec_11_a_certificate_of_another_name_is_refused(
    opened: Any, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A trusted certificate, but not of this name: nothing is handed over."""
    other = _certificate(tmp_path, "other.invalid")
    hook = opened(other)
    environment["SSL_CERT_FILE"] = str(other)
    with pytest.raises(NotSent, match=r"(?i)certificate"):
        WebhookTransport(SECRET, (NAME,), look_up=Book(["127.0.0.1"])).send(
            _message(f"https://{NAME}:{hook.port}/hook")
        )
    assert hook.hosts == []


def test_an_address_that_does_not_answer_gives_way_to_the_next(opened: Any) -> None:
    """As a browser does; one that answers badly does not."""
    hook = opened()
    book = Book(["127.0.0.2", "127.0.0.1"])
    WebhookTransport(SECRET, (NAME,), look_up=book).send(_message(f"http://{NAME}:{hook.port}/hook"))
    assert len(hook.hosts) == 1


def test_sec_11_a_redirect_is_not_followed(opened: Any) -> None:
    """A public host cannot send the platform on into the own network."""
    inside = opened()
    outside = opened(status=302, onward=f"http://127.0.0.1:{inside.port}/secret")
    with pytest.raises(NotSent, match="answered 302"):
        WebhookTransport(SECRET, (NAME,), look_up=Book(["127.0.0.1"])).send(_message(f"http://{NAME}:{outside.port}/x"))
    assert inside.hosts == []


def test_a_proxy_of_the_environment_does_not_choose_the_address(opened: Any, environment: dict[str, str]) -> None:
    """A proxy would look the name up again."""
    hook, proxy = opened(), opened()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        environment[name] = f"http://127.0.0.1:{proxy.port}"
    WebhookTransport(SECRET, (NAME,), look_up=Book(["127.0.0.1"])).send(_message(f"http://{NAME}:{hook.port}/hook"))
    assert (len(hook.hosts), len(proxy.hosts)) == (1, 0)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://hook.invalid/x", "not an http address"),
        ("nothing", "not an http address"),
        ("https:///x", "not an http address"),
        ("https://[::1/x", "cannot be read"),
        ("https://hook.invalid:99999/x", "no port 99999"),
        ("https://hook.invalid:0/x", "no port 0"),
    ],
)
def test_what_is_no_address_is_not_sent(url: str, why: str) -> None:
    """The reason is in the words; no name is looked up."""
    book = Book()
    with pytest.raises(NotSent, match=why):
        WebhookTransport(SECRET, look_up=book).send(_message(url))
    assert book.asked == []


def test_a_name_without_an_address_is_not_sent() -> None:
    """By the machine's own resolver, and by one that finds nothing."""
    with pytest.raises(NotSent, match="has no address"):
        WebhookTransport(SECRET).send(_message(f"https://{NAME}/x"))
    with pytest.raises(NotSent, match="no address"):
        WebhookTransport(SECRET, look_up=Book([])).send(_message(f"https://{NAME}/x"))


def test_addresses_come_once_each() -> None:
    """A literal is its own address."""
    assert addresses_of("127.0.0.1", 80) == ["127.0.0.1"]


def test_a_server_that_does_not_answer_in_time_is_said() -> None:
    """Nobody waits longer than the transport may."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(NotSent, match=f"{NAME}:{port}"):
            WebhookTransport(SECRET, (NAME,), 0.2, Book(["127.0.0.1"])).send(_message(f"http://{NAME}:{port}/hook"))
