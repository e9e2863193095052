"""Authorities that vouch for servers and clients, made for one test, and a server that asks for them."""

import contextlib
import ipaddress
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority; `pem` is what to trust."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        built = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.pem = _pem(built.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *, password: str | None = None) -> tuple[str, str]:
        """A certificate for this name on 127.0.0.1, and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        built = self._builder(_named(name), key.public_key()).add_extension(place, critical=False)
        hidden = (
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password.encode())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden
        ).decode()
        return _pem(built.sign(self._key, hashes.SHA256())), private

    def context(self, folder: Path, *, clients: "Authority") -> ssl.SSLContext:
        """Of a server that wants a certificate for which `clients` vouches."""
        files = folder / "server.crt", folder / "server.key"
        for file, text in zip(files, self.issue("server"), strict=True):
            file.write_text(text)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=clients.pem)
        context.load_cert_chain(*files)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )


class TlsServer:
    """Answers each request with what `answer` gives, from threads: unlike asyncio's, its TLS says by an
    alert why it refuses a client, as the servers of the world do. `seen` holds paths and clients' names.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        outer = self
        self.seen: list[tuple[str, str]] = []
        self.locations: dict[str, str] = {}
        """Paths that redirect, and where to."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shown: Any = cast(ssl.SSLSocket, self.connection).getpeercert()
                outer.seen.append((self.path, dict(part[0] for part in shown["subject"])["commonName"]))
                self.rfile.read(int(self.headers.get("content-length") or 0))
                location = outer.locations.get(self.path)
                self.send_response(200 if location is None else 302)
                if location is not None:
                    self.send_header("location", location)
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_GET  # noqa: N815 (the name that the library looks for)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (as the library)
                """Nothing: refused handshakes are what is tested."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[Any, Any]:
                connection, address = self.socket.accept()
                connection.settimeout(10)
                return context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                ), address

            def shutdown_request(self, request: Any) -> None:
                """Reads what is left before it closes: a reset would overtake the alert."""
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(request, socket.SHUT_WR)
                    while socket.socket.recv(request, 65536):
                        pass
                self.close_request(request)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """As above."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
