"""A webhook receiver: verifies Standard Webhooks signatures and records the requests.

Run it with `python -m visapi.stack.standins.webhook_receiver --port 9911 --out FILE.jsonl --secret whsec_…`.
Deliberately written without VisAPI's own signing code, so that one checks the other.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Annotated

import typer

from visapi.stack.ports import LOOPBACK
from visapi.stack.standins.faults import Fault, FaultKind
from visapi.stack.standins.http_server import HANG_S, Request, Response
from visapi.stack.standins.recording_server import RecordingServer
from visapi.stack.standins.serving import Host, serve_until_stopped

TOLERANCE_S = 300


class WebhookReceiver(RecordingServer):
    """Answers 200 to signed requests, 401 to others; without a secret it accepts everything. Its records hold
    `id, verified, path, headers, body, sha256, time`.
    """

    def __init__(self, secrets: list[str] | None = None, out: Path | None = None) -> None:
        self._secrets = secrets or []
        super().__init__(out)

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
        self.record(
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
