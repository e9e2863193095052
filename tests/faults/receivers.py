"""Receivers that take their time after they have applied what they got.

A process that is killed in this time has had its effect and knows nothing of it: the very case that
effect keys and holds are for.
"""

import asyncio
import hashlib
from email import message_from_bytes, policy

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session

from faults.checker import EffectSeen
from visapi.stack.standins.http_server import Request, Response
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi.stack.standins.webhook_receiver import WebhookReceiver

ANSWERS_AFTER_S = 0.1


class SlowSmtpSink(SmtpSink):
    """Keeps the message, waits, then says so."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(ANSWERS_AFTER_S)
        return answer


class SlowWebhookReceiver(WebhookReceiver):
    """Records the call, waits, then answers."""

    async def _answer(self, request: Request) -> Response:
        response = await super()._answer(request)
        await asyncio.sleep(ANSWERS_AFTER_S)
        return response


class Receivers:
    """Both, and what they saw, as the checker wants it."""

    def __init__(self) -> None:
        self.hooks = SlowWebhookReceiver()
        self.mails = SlowSmtpSink()
        self.hook_url = ""
        self.smtp_url = ""

    async def start(self) -> None:
        self.hook_url = await self.hooks.start() + "/hook"
        self.smtp_url = await self.mails.start()

    async def stop(self) -> None:
        await self.hooks.stop()
        await self.mails.stop()

    def forget(self) -> None:
        self.hooks.received.clear()
        self.mails.received.clear()

    def webhooks(self) -> list[EffectSeen]:
        seen: list[EffectSeen] = []
        for call in self.hooks.received:
            run = msgspec.json.decode(call["body"].encode())["run"]
            seen.append(EffectSeen(run, str(call["id"]), call["sha256"]))
        return seen

    def sent_mails(self) -> list[EffectSeen]:
        seen: list[EffectSeen] = []
        for mail in self.mails.received:
            message = message_from_bytes(mail.content, policy=policy.default)
            run = str(message["Subject"]).removeprefix("run ")
            digest = hashlib.sha256(mail.content).hexdigest()
            seen.append(EffectSeen(run, str(message["Message-ID"]), digest))
        return seen
