"""A real S3: SeaweedFS (`weed mini`), and stand-ins for the services that give credentials in Amazon's cloud."""

import asyncio
import contextlib
import json
import shutil
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kit.certificates import Authority
from kit.servers import RunningProcess
from visapi.stack.ports import LOOPBACK, Reservation
from visapi.stack.processes import ProcessSpec
from visapi_common.adapters.object_store import ObjectStore
from visapi_common.adapters.s3 import S3Access
from visapi_common.core.errors import Fault

BUCKET = "visapi"
REGION = "eu-central-1"
_KEY = {"accessKey": "visapi-key", "secretKey": "visapi-secret"}
_READER = {"accessKey": "reader-key", "secretKey": "reader-secret"}


class Seaweed:
    """A server of its own with one bucket; killed, it comes back on the same port with its objects."""

    def __init__(self, authority: Authority | None = None) -> None:
        """With an authority it serves over TLS. The bucket has a name of its own, `visapi.localhost`, too."""
        self._folder = Path(tempfile.mkdtemp(prefix="visapi-test-seaweed-"))
        self._ports = Reservation()
        self.port = self._ports.any()
        self._authority = authority
        (self._folder / "data").mkdir()
        (self._folder / "s3.json").write_text(json.dumps({"identities": _identities()}))
        self.process = RunningProcess(
            ProcessSpec(
                name="seaweed",
                argv=(str(Path(sys.executable).parent / "weed"), "mini", *self._arguments()),
                env={"PATH": "/usr/bin:/bin", "HOME": str(self._folder)},
                cwd=self._folder,
                log=self._folder / "seaweed.log",
                ready=self._serves,
                ports={"s3": self.port},
            )
        )

    @property
    def endpoint(self) -> str:
        return f"{'http' if self._authority is None else 'https'}://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """Of the artifact store."""
        return f"s3://{BUCKET}/prefix"

    @property
    def key(self) -> tuple[str, str]:
        return _KEY["accessKey"], _KEY["secretKey"]

    @property
    def readers_key(self) -> tuple[str, str]:
        """Of an account that may not write."""
        return _READER["accessKey"], _READER["secretKey"]

    def access(self, **more: object) -> S3Access:
        given = {
            "endpoint": self.endpoint,
            "region": REGION,
            "access_key_id": self.key[0],
            "secret_access_key": self.key[1],
            "ca": None if self._authority is None else str(self._folder / "ca.pem"),
        }
        return S3Access(**{**given, **more})

    def start(self) -> None:
        self.process.start()

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self._ports.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serves(self) -> bool:
        """It answers at once, and stores nothing until its parts have found one another."""
        store = ObjectStore.open(f"s3://{BUCKET}/ready", self.access())
        try:
            async with asyncio.timeout(2):
                await store.put("probe", b"1", "text/plain")
        except (Fault, TimeoutError):
            return False
        return True

    def _arguments(self) -> list[str]:
        ports = ["s3.port.grpc", "master.port", "master.port.grpc", "filer.port", "filer.port.grpc"]
        ports += ["volume.port", "volume.port.grpc", "admin.port", "admin.port.grpc"]
        given: dict[str, object] = {
            "dir": self._folder / "data",
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "bucket": BUCKET,
            "master.volumeSizeLimitMB": 64,
            "s3.config": self._folder / "s3.json",
            "s3.autoCreateBucket": "false",
            "s3.domainName": "localhost",
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.port": self.port,
            "webdav": "false",
            "admin.ui": "false",
            **{name: self._ports.any() for name in ports},
        }
        if self._authority is not None:
            certificate, key = self._authority.issue("s3")
            for name, text in (("ca", self._authority.pem), ("crt", certificate), ("key", key)):
                (self._folder / f"{name}.pem").write_text(text)
            given["s3.cert.file"] = self._folder / "crt.pem"
            given["s3.key.file"] = self._folder / "key.pem"
        return [f"-{name}={value}" for name, value in given.items()]


def _identities() -> list[dict[str, object]]:
    return [
        {"name": "visapi", "credentials": [_KEY], "actions": ["Admin", "Read", "Write", "List"]},
        {"name": "reader", "credentials": [_READER], "actions": ["Read", "List"]},
    ]


class Credentials:
    """A stand-in for the agent of EKS Pod Identity, for STS (web identity), and for the metadata service of an
    instance. `asked` holds the paths of requests and what they brought along.
    """

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.refuses = False
        self.asked: list[tuple[str, str]] = []

    def answer(self, method: str, path: str, brought: str) -> tuple[int, bytes]:
        self.asked.append((f"{method} {path.partition('?')[0]}", brought))
        if self.refuses:
            return 403, b"no"
        if path.endswith("/latest/api/token"):
            return 200, b"a-token"
        if path.endswith("/security-credentials/"):
            return 200, b"visapi-role"
        if "AssumeRoleWithWebIdentity" in path:
            return 200, _STS.format(*self.key).encode()
        expiry = "2099-01-01T00:00:00Z"
        given = {
            "AccessKeyId": self.key[0],
            "SecretAccessKey": self.key[1],
            "Token": "",
            "Expiration": expiry,
        }
        return 200, json.dumps({"Code": "Success", **given}).encode()


_STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>
<SessionToken></SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@contextlib.contextmanager
def served(credentials: Credentials, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The origin that it is served under."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            brought = self.headers.get("authorization") or self.path.partition("?")[2]
            status, body = credentials.answer(self.command, self.path, brought)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815 (the names that the library looks for)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as the library)
            """Nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
