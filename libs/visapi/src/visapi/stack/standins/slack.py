"""A Slack that speaks the real protocol: `chat.postMessage` and incoming webhooks.

Web API errors arrive as HTTP 200 with `ok: false`, webhook errors as 4xx with a word in plain text,
limits as 429 with Retry-After.
Run it with `python -m visapi.stack.standins.slack --port 9912 --out FILE.jsonl`.
"""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
import typer

from visapi.stack.ports import LOOPBACK
from visapi.stack.standins.faults import Fault, FaultKind
from visapi.stack.standins.http_server import HANG_S, Request, Response
from visapi.stack.standins.recording_server import RecordingServer
from visapi.stack.standins.serving import Host, serve_until_stopped
from visapi_common.contracts.foreign import Unreadable, read_as

_JSON = {"content-type": "application/json; charset=utf-8"}


class Slack(RecordingServer):
    """One workspace. With `token`, Web API calls must carry it as a bearer token. Its records
    hold `via, channel, message, ts, time`.
    """

    def __init__(self, token: str | None = None, out: Path | None = None) -> None:
        self._token = token
        super().__init__(out)

    async def _answer(self, request: Request) -> Response:
        api = request.target.split("?", 1)[0] == "/api/chat.postMessage"
        if not api and not request.target.startswith("/services/"):
            return Response(404, b"no_such_path")
        fault = self.faults.take()
        if fault is not None and (refused := _refuse(fault, api=api)):
            return refused
        message = _message(request)
        if refused := self._invalid(request, message, api=api):
            return refused
        assert message is not None
        moment = f"{time.time():.6f}"
        via = "chat.postMessage" if api else request.target
        channel = message.get("channel")
        self.record({"via": via, "channel": channel, "message": message, "ts": moment, "time": time.time()})
        if fault is not None:
            return Response(delay_s=HANG_S) if fault.kind is FaultKind.HANG else Response(reset=True)
        if not api:
            return Response(200, b"ok")
        return _json({"ok": True, "channel": channel, "ts": moment, "message": {"text": message.get("text")}})

    def _invalid(self, request: Request, message: dict[str, Any] | None, *, api: bool) -> Response | None:
        if api and self._token and request.headers.get("authorization") != f"Bearer {self._token}":
            return _json({"ok": False, "error": "invalid_auth"})
        if message is None:
            return _json({"ok": False, "error": "invalid_json"}) if api else Response(400, b"invalid_payload")
        if api and not message.get("channel"):
            return _json({"ok": False, "error": "channel_not_found"})
        if not any(message.get(part) for part in ("text", "blocks", "attachments")):
            return _json({"ok": False, "error": "no_text"}) if api else Response(400, b"no_text")
        return None


def _message(request: Request) -> dict[str, Any] | None:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode("utf-8", "replace")))
    message = read_as(dict[str, Any], request.body)
    return None if isinstance(message, Unreadable) else message


def _refuse(fault: Fault, *, api: bool) -> Response | None:
    if fault.kind is FaultKind.RESET_BEFORE:
        return Response(reset=True)
    if fault.kind is not FaultKind.STATUS:
        return None
    if fault.error and api:
        return _json({"ok": False, "error": fault.error})
    advice = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
    return Response(fault.status, (fault.error or "told_to_fail").encode(), advice)


def _json(body: dict[str, Any]) -> Response:
    return Response(200, msgspec.json.encode(body), _JSON)


def main(  # noqa: PLR0913 (each is an option of the command)
    *,
    port: Annotated[int, typer.Option()] = 9912,
    host: Host = LOOPBACK,
    out: Annotated[Path | None, typer.Option(help="JSONL file for what was posted.")] = None,
    token: Annotated[str | None, typer.Option(help="The bot token to demand.")] = None,
    fail_first: Annotated[int, typer.Option(help="Refuse this many requests first.")] = 0,
    fault: Annotated[FaultKind, typer.Option(help="How they fail.")] = FaultKind.STATUS,
    status: Annotated[int, typer.Option(help="The status of refusals.")] = 429,
    error: Annotated[str, typer.Option(help="Refuse with `ok: false` and this error instead.")] = "",
    retry_after: Annotated[int | None, typer.Option(help="Retry-After of refusals, in seconds.")] = 1,
) -> None:
    """Be Slack until stopped."""
    slack = Slack(token, out)
    slack.faults.add(Fault(fault, status, retry_after, error), fail_first)
    asyncio.run(serve_until_stopped("slack", slack, port, host))


if __name__ == "__main__":
    typer.run(main)
