"""Carries out `notify.email`: renders the template, reads the attachments, hands the message to the relay."""

from collections.abc import Sequence
from typing import Any

import msgspec

from visapi_common.adapters.artifacts import media_type_of
from visapi_common.contracts.templates import UsedTemplate
from visapi_common.core.errors import PermanentFault
from visapi_common.templates.renderer import TEMPLATE, WARM_UP
from visapi_common.worker.context import TaskContext
from visapi_notifier.accounts.rules import OpenedVersion, Probe
from visapi_notifier.channel_service import Dependencies, Jobs, Outside, Service
from visapi_notifier.channels.email import bounded
from visapi_notifier.channels.email.bounded import BoundedMails
from visapi_notifier.channels.email.jobs import MailRequest
from visapi_notifier.channels.email.rendering import Rendering
from visapi_notifier.channels.email.rules import message as rules
from visapi_notifier.channels.email.rules.account import check_port, relay_of_account, sender_of_account
from visapi_notifier.channels.email.rules.addresses import mailbox
from visapi_notifier.channels.email.rules.message import EmailCall, EmailInput, File, Mail
from visapi_notifier.channels.email.rules.relay import relay_of
from visapi_notifier.channels.email.senders import Route, Senders
from visapi_notifier.channels.email.smtp_relay import SmtpRelay
from visapi_notifier.channels.email.templates import TemplateProcess
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Sent
from visapi_notifier.settings import NotifierSettings


class EmailService(Service):
    """Keeps the connections to the operator's relay, and to those of accounts."""

    programs = Jobs((TEMPLATE,), (WARM_UP,))
    private = Jobs((bounded.MAIL,), (bounded.WARM_UP,))

    def __init__(self, settings: NotifierSettings) -> None:
        super().__init__(settings)
        self._sender = mailbox(settings.mail_from, "VISAPI_MAIL_FROM")
        self._address = relay_of(settings.smtp_url) if settings.smtp_url else None
        self._senders: Senders | None = None

    @property
    def credentials(self) -> Sequence[str]:
        """The password of the relay."""
        return [self._address.password] if self._address and self._address.password else []

    def handler(self, dependencies: Dependencies) -> Handler:
        """See `Service.handler`."""
        senders = self._senders = self._open(dependencies)
        rendering = Rendering(TemplateProcess(dependencies.programs), dependencies.templates)
        mails = BoundedMails(dependencies.private)

        async def send(given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
            call, _ = await dependencies.inputs.read(EmailCall, given, task.message, mask)
            route = await senders.route(call.wanted, task.message, mask)
            made = await rendering.render(call, task.message)
            wanted = made.wanted
            files = [*made.shown, *await _files(dependencies, wanted, task.tenant)]
            order = MailRequest(wanted, route.sender, files, task.effect_key, dependencies.clock.now())
            mail = await mails.make(task.tenant, order)
            about = _about(mail, made.used)
            unsent = {**about, "relay": "not sent", "test": True}
            attempt = _attempt(route, mail, about)
            effect = Effect("email", attempt, unsent=unsent, timeout_s=rules.TIMEOUT_S, mask=mask)
            return await dependencies.deliverer.deliver(task.message, effect)

        return send

    def probe(self, outside: Outside) -> Probe:
        """See `Service.probe`: connect, encrypt, sign in, leave."""

        async def tried(version: OpenedVersion, limit_s: float) -> str:
            relay = relay_of_account(version.settings, version.credentials)
            check_port(relay, outside.dialer.policy)
            ident = sender_of_account(version.settings, None).domain
            opened = SmtpRelay(relay, outside.dialer, ident=ident, timeout_s=limit_s, trusted=False)
            await opened.sign_in(limit_s)
            return "the mail relay accepted the password"

        return tried

    def _open(self, dependencies: Dependencies) -> Senders:
        dialer, address, operator = dependencies.dialer, self._address, None
        if address is not None:
            operator = SmtpRelay(address, dialer, ident=self._sender.domain)
        return Senders(dependencies.accounts, dialer, self._sender, operator)

    async def close(self) -> None:
        """Close the kept connections."""
        if self._senders is not None:
            await self._senders.close()


def _about(mail: Mail, used: UsedTemplate | None) -> dict[str, Any]:
    """What the output says of a mail, whether it is sent or not."""
    about = {"message_id": mail.message_id, "accepted": list(mail.recipients)}
    return about if used is None else {**about, "template": msgspec.to_builtins(used)}


def _attempt(route: Route, mail: Mail, about: dict[str, Any]) -> Any:
    async def attempt(time: Time) -> Reading:
        answer = await route.send(mail, time)
        return Sent({**about, "relay": answer})

    return attempt


async def _files(at: Dependencies, wanted: EmailInput, tenant: str) -> list[File]:
    listed = rules.checked_attachments(wanted)
    if not listed:
        return []
    store = at.artifacts
    if store is None:
        raise PermanentFault("no artifact store is configured; set VISAPI_ARTIFACTS_URL for the notifier")
    rules.check_size(sum([await store.size(tenant, artifact) or 0 for artifact, _, _ in listed]))
    return [
        File(name, media_type or media_type_of(artifact), await store.get(tenant, artifact))
        for artifact, name, media_type in listed
    ]


SERVICE = EmailService
