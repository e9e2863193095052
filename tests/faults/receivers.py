"""Receivers that take their time after they have applied what they got.

A process that is killed in this time has had its effect and knows nothing of it: the very case that
effect keys and holds are for.
"""

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

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
