"""A real time-stamping authority: `openssl ts -reply` behind HTTP on the loopback, with keys of its own."""

from __future__ import annotations

import ssl
import subprocess
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIG = """
[tsa]
default_tsa = one
[one]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384
ess_cert_id_alg = sha256
tsa_name = no
ordering = no
[req]
distinguished_name = dn
[dn]
[ext]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
"""
KEYS = {
    "rsa": ["-newkey", "rsa:2048"],
    "p256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
    "ed25519": ["-newkey", "ed25519"],  # pinned by mistake: no stamp is signed with one
}


class Authority:
    """The authority in a folder; `start` serves it, `end` stops it."""

    def __init__(self, folder: Path, key: str = "rsa") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "tsa.cnf").write_text(CONFIG)
        (folder / "serial").write_text("01\n")
        self._openssl("req", "-x509", *KEYS[key], "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "900",
                      "-subj", "/CN=Authority", "-config", "tsa.cnf", "-set_serial", "1")  # fmt: skip
        self._openssl("req", "-new", *KEYS[key], "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr",
                      "-subj", "/CN=Stamper", "-config", "tsa.cnf")  # fmt: skip
        self._openssl("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "2",
                      "-days", "900", "-extfile", "tsa.cnf", "-extensions", "ext", "-out", "tsa.pem")  # fmt: skip
        self._server: ThreadingHTTPServer | None = None
        self.asked = 0

    def _openssl(self, *words: str) -> str:
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def reply(self, request: bytes) -> bytes:
        """Its answer to a question."""
        self.asked += 1
        (self.folder / "q.tsq").write_bytes(request)
        self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-out", "a.tsr")
        return (self.folder / "a.tsr").read_bytes()

    def verifies(self, answer: bytes, digest: str) -> bool:
        """What `openssl ts -verify` says, by the words that the verifier prints."""
        (self.folder / "v.tsr").write_bytes(answer)
        words = ["openssl", "ts", "-verify", "-digest", digest, "-in", "v.tsr", "-CAfile", "ca.pem"]
        return subprocess.run(words, cwd=self.folder, capture_output=True).returncode == 0

    @property
    def pinned(self) -> str:
        """Its certificate as a trust file holds it."""
        return b64encode(ssl.PEM_cert_to_DER_cert((self.folder / "tsa.pem").read_text())).decode()

    def start(self) -> str:
        """Serve; returns the address."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = self.headers["Content-Type"] == "application/timestamp-query"
                answer = authority.reply(body) if good else b""
                self.send_response(200 if good else 415)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/tsr"

    def end(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
