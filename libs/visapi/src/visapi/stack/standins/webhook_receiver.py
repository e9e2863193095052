"""A webhook receiver: verifies Standard Webhooks signatures and records what it was sent.

Run it with `python -m visapi.stack.standins.webhook_receiver --port 9911 --out FILE.jsonl --secret whsec_…`.
Deliberately written without VisAPI's own signing code, so that one checks the other.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from visapi.stack.ports import LOOPBACK
from visapi.stack.standins.faults import Fault, FaultKind, FaultScript
from visapi.stack.standins.http_server import HANG_S, HttpServer, Request, Response
from visapi.stack.standins.recording import Recorder
from visapi.stack.standins.serving import Host, serve_until_stopped

TOLERANCE_S = 300


class WebhookReceiver:
    """Answers 200 to signed requests, 401 to others; without a secret it accepts everything."""

    def __init__(self, secrets: list[str] | None = None, out: Path | None = None) -> None:
        self._secrets = secrets or []
        self._recorder = Recorder(out)
        self._server = HttpServer(self._answer)
        self.faults = FaultScript()
        self.url = ""

    @property
    def received(self) -> list[dict[str, Any]]:
        """What was applied, in order: `id, verified, path, headers, body, sha256, time`."""
        return self._recorder.records

    async def start(self, port: int = 0, host: str = LOOPBACK) -> str:
        self.url = await self._server.start(port, host)
        return self.url

    async def stop(self) -> None:
        await self._server.stop()
        self._recorder.close()

    async def _answer(self, request: Request) -> Response:
        fault = self.faults.take()
        if fault is not None and fault.kind is FaultKind.STATUS:
            advice = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
            return Response(fault.status, b'{"error": "told to fail"}', advice)
        if fault is not None and fault.kind is FaultKind.RESET_BEFORE:
            return Response(reset=True)
        verified = self._verified(request)
        if self._secrets and not verified:
            return Response(401, b'{"error": "signature"}')
        self._recorder.append(
            {
                "id": request.headers.get("webhook-id"),
                "verified": verified,
                "method": request.method,
                "path": request.target,
                "headers": request.headers,
                "body": request.body.decode("utf-8", "replace"),
                "sha256": hashlib.sha256(request.body).hexdigest(),
                "time": time.time(),
            }
        )
        if fault is not None and fault.kind is FaultKind.HANG:
            return Response(delay_s=HANG_S)
        if fault is not None:
            return Response(reset=True)
        return Response(200, b'{"received": true}', {"content-type": "application/json"})

    def _verified(self, request: Request) -> bool:
        identifier = request.headers.get("webhook-id", "")
        moment = request.headers.get("webhook-timestamp", "")
        if not moment.isdigit() or abs(time.time() - int(moment)) > TOLERANCE_S:
            return False
        signed = b".".join((identifier.encode(), moment.encode(), request.body))
        given = request.headers.get("webhook-signature", "").split()
        for secret in self._secrets:
            key = base64.b64decode(secret.removeprefix("whsec_"))
            digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            if any(hmac.compare_digest(f"v1,{digest}", candidate) for candidate in given):
                return True
        return False


def main(  # noqa: PLR0913 (each is an option of the command)
    *,
    port: Annotated[int, typer.Option()] = 9911,
    host: Host = LOOPBACK,
    out: Annotated[Path | None, typer.Option(help="JSONL file for what was received.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="whsec_… ; may be repeated.")] = None,
    fail_first: Annotated[int, typer.Option(help="Refuse this many requests first.")] = 0,
    fault: Annotated[FaultKind, typer.Option(help="How they fail.")] = FaultKind.STATUS,
    status: Annotated[int, typer.Option(help="The status of refusals.")] = 503,
    retry_after: Annotated[int | None, typer.Option(help="Retry-After of refusals, in seconds.")] = None,
) -> None:
    """Receive webhooks until stopped."""
    receiver = WebhookReceiver(secret, out)
    receiver.faults.add(Fault(fault, status, retry_after), fail_first)
    asyncio.run(serve_until_stopped("webhook receiver", receiver, port, host))


if __name__ == "__main__":
    typer.run(main)
