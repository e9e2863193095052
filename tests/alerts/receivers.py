"""Where alerts arrive: a Slack that speaks its API, a pager's webhook, and a dead man's switch.

They run in a loop of their own, in a thread, so that trials may block.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

import msgspec

from visapi.stack.standins.faults import Fault, FaultKind
from visapi.stack.standins.http_server import HttpServer, Request, Response
from visapi.stack.standins.slack import Slack
from visapi.stack.standins.smtp_sink import SmtpSink

T = TypeVar("T")


class Heard(NamedTuple):
    """One alert of one notification, as it arrived."""

    at: float
    receiver: str
    alert: str
    status: str
    together: int
    """How many alerts the notification held."""


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 60.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Receivers:
    """Pages go to the pager, tickets to Slack, heartbeats to the switch. `slow` is a place for the product's own
    effects: it hangs, or breaks the connection after it has taken a message.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.heard: list[Heard] = []
        self.beats: list[float] = []
        self.slack = Slack()
        self.chat = Slack()
        """Another workspace, for what workflows send."""
        self.mail = SmtpSink()
        self._webhooks = HttpServer(self._webhook)
        self._hanging = HttpServer(self._hang)
        self.slack_url = self.chat_url = self.mail_url = self.webhook_url = self.hanging_url = ""
        self.hang_s = 3600.0

    def start(self) -> None:
        self.slack_url = self._loop.run(self.slack.start())
        self.chat_url = self._loop.run(self.chat.start())
        self.mail_url = self._loop.run(self.mail.start())
        self.webhook_url = self._loop.run(self._webhooks.start())
        self.hanging_url = self._loop.run(self._hanging.start())

    def stop(self) -> None:
        for server in (self.slack, self.chat, self.mail, self._webhooks, self._hanging):
            self._loop.run(server.stop())

    def break_chat(self, times: int) -> None:
        """The next messages to the workflows' Slack are taken, and their connections break."""
        self.chat.faults.add(Fault(FaultKind.RESET), times)

    def notices(self) -> list[Heard]:
        """Everything that was heard so far, by both ways."""
        return self.heard + [notice for record in self.slack.received for notice in _of_slack(record)]

    def first(self, alert: str, since: float) -> Heard | None:
        """The first notice that an alert fires which arrived after `since`."""
        found = [
            notice
            for notice in self.notices()
            if notice.alert == alert and notice.status == "firing" and notice.at >= since
        ]
        return min(found, key=lambda notice: notice.at, default=None)

    def silent_for(self, now: float) -> float:
        """How long ago the last heartbeat was."""
        return now - self.beats[-1] if self.beats else now

    async def _webhook(self, request: Request) -> Response:
        body = msgspec.json.decode(request.body)
        if request.target == "/heartbeat":
            if body["status"] == "firing":
                self.beats.append(time.time())
            return Response()
        alerts = body["alerts"]
        self.heard += [
            Heard(time.time(), "pager", each["labels"]["alertname"], each["status"], len(alerts))
            for each in alerts
        ]
        return Response()

    async def _hang(self, request: Request) -> Response:
        return Response(delay_s=self.hang_s) if request.target.startswith("/hang") else Response()


def _of_slack(record: dict[str, Any]) -> list[Heard]:
    """The alerts of one message; its title names them (`monitoring.SLACK_TITLE`)."""
    found: list[Heard] = []
    for part in record["message"].get("attachments", []):
        status, _, names = part["title"].partition(" ")
        each = names.split()
        found += [Heard(record["time"], "slack", name, status, len(each)) for name in each]
    return found
