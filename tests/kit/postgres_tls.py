"""TLS in front of a PostgreSQL that was built without: speaks the protocol's own way into TLS, then passes bytes on."""

import socket
import ssl
import threading
from pathlib import Path

from kit.certificates import Authority

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class TlsFront:
    """Listens with a certificate of `authority`. `versions` are those of the TLS connections it had."""

    def __init__(self, authority: Authority, folder: Path, port: int) -> None:
        certificate, key = authority.issue("server")
        files = folder / "front.crt", folder / "front.key"
        for file, text in zip(files, (certificate, key), strict=True):
            file.write_text(text)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*files)
        self._behind = port
        self.versions: list[str | None] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if client.recv(8, socket.MSG_WAITALL) != _SSL_REQUEST:
                return
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as inside:
                self.versions.append(inside.version())
                with socket.create_connection(("127.0.0.1", self._behind)) as server:
                    back = threading.Thread(target=_pass_on, args=(server, inside), daemon=True)
                    back.start()
                    _pass_on(inside, server)
                    back.join(5)
        except OSError:
            # The client refused the certificate, or went away.
            return
        finally:
            client.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
