"""The notifier's functions: read the input, build the request, deliver it under its key."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import msgspec

from visapi_common.core.errors import PermanentFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.worker.context import TaskContext
from visapi_common.worker.worker import Worker
from visapi_notifier.accounts.inputs import Inputs
from visapi_notifier.channels.email.rules import message as email
from visapi_notifier.channels.email.rules.addresses import Mailbox
from visapi_notifier.channels.email.rules.message import EmailCall, EmailInput, File, Mail
from visapi_notifier.channels.http.rules import HttpInput
from visapi_notifier.channels.http.service import HttpFunctions
from visapi_notifier.channels.openapi.rules import OpenApiInput
from visapi_notifier.channels.slack import rules as slack
from visapi_notifier.channels.slack.rules import SlackInput
from visapi_notifier.channels.webhook.rules import request as webhook
from visapi_notifier.channels.webhook.rules.request import WebhookCall, WebhookInput
from visapi_notifier.delivery.deliver import Clock, Deliverer, Effect, Time
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.delivery.serving import served
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Sent
from visapi_notifier.preparing.jobs import MailOrder

FUNCTION_TIMEOUT_S = 86_400.0
"""Above every timeout that a task may choose: each try has its own limit (`deliver.py`)."""
CONCURRENCY = 256
LOCAL = 256
"""One tenant alone gets half of the slots; the others stay free for those who come later."""


class MailRelay(Protocol):
    async def send(self, mail: Mail, limit_s: float, *, chosen: bool = False) -> str: ...


class Mails(Protocol):
    async def make(self, tenant: str, order: MailOrder) -> Mail:
        """The message; it holds up nobody. Raises `ProblemError` and `TransientFault`."""
        ...


class Artifacts(Protocol):
    async def size(self, tenant: str, artifact_id: str) -> int | None: ...
    async def get(self, tenant: str, artifact_id: str) -> bytes: ...


class Templates(Protocol):
    async def render(self, tenant: str, sources: dict[str, str], data: bytes | None) -> dict[str, str]: ...


class Outside(Protocol):
    """What the functions reach the world with; `None` where the operator configured nothing."""

    @property
    def relay(self) -> MailRelay | None: ...
    @property
    def sender(self) -> Mailbox: ...
    @property
    def artifacts(self) -> Artifacts | None: ...
    @property
    def templates(self) -> Templates: ...
    @property
    def inputs(self) -> Mails: ...
    @property
    def credentials(self) -> Sequence[str]:
        """The operator's own, which no answer may bring to a tenant."""
        ...

    @property
    def slack_base_url(self) -> str: ...
    @property
    def slack_token(self) -> str | None: ...
    async def exchange(self, outbound: Outbound) -> Inbound: ...
    def media_type_of(self, artifact_id: str) -> str: ...


class Functions:
    """The handlers; `register` puts them into a worker."""

    def __init__(
        self, deliverer: Deliverer, outside: Outside, clock: Clock, inputs: Inputs, http: HttpFunctions
    ) -> None:
        self._deliverer = deliverer
        self._outside = outside
        self._clock = clock
        self._inputs = inputs
        self._http = http

    def register(self, worker: Worker) -> None:
        """Serve all of them. They keep their own ledger, so the orchestrator's claim is not used."""
        serve = partial(
            worker.function,
            timeout_s=FUNCTION_TIMEOUT_S,
            concurrency=CONCURRENCY,
            local=LOCAL,
            claims=False,
            ledger=True,
        )
        own = Mask()
        own.add(self._outside.credentials)
        serve("notify.email", effect="once", shape=EmailInput)(served(self.send_email, own))
        serve("notify.webhook", effect="keyed", shape=WebhookInput)(served(self.call_webhook, own))
        serve("notify.slack", effect="once", shape=SlackInput)(served(self.post_to_slack, own))
        serve("http.request", effect="once", shape=HttpInput)(served(self._http.request_http, own))
        serve("openapi.request", effect="once", shape=OpenApiInput)(served(self._http.request_openapi, own))

    async def call_webhook(self, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        """Post a signed webhook."""
        key = task.effect_key
        with refused_early(self._deliverer):
            call, _ = await self._inputs.read(WebhookCall, given, task.message, mask)

        async def attempt(time: Time) -> Reading:
            outbound = webhook.build_request(call, effect_key=key, now=self._clock.now())
            inbound = await self._outside.exchange(replace(outbound, timeout_s=time.limit_s))
            return webhook.read_response(inbound, effect_key=key, now=self._clock.now(), mask=mask)

        effect = Effect("webhook", attempt, keyed=True, timeout_s=webhook.TIMEOUT_S, mask=mask)
        return await self._deliverer.deliver(task.message, effect)

    async def post_to_slack(self, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        """Post a message to Slack."""
        outside = self._outside
        with refused_early(self._deliverer):
            wanted, _ = await self._inputs.read(SlackInput, given, task.message, mask)
            outbound = slack.build_request(wanted, base_url=outside.slack_base_url, token=outside.slack_token)

        async def attempt(time: Time) -> Reading:
            inbound = await outside.exchange(replace(outbound, timeout_s=time.limit_s))
            return slack.read_response(wanted, inbound, now=self._clock.now(), mask=mask)

        effect = Effect("slack", attempt, timeout_s=slack.TIMEOUT_S, mask=mask)
        return await self._deliverer.deliver(task.message, effect)

    async def send_email(self, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        """Send a mail."""
        call, _ = await self._inputs.read(EmailCall, given, task.message, mask)
        relay = self._outside.relay
        if relay is None:
            raise PermanentFault("no mail relay is configured; set VISAPI_SMTP_URL for the notifier")
        mail = await self._mail(call, task)

        async def attempt(time: Time) -> Reading:
            answer = await relay.send(mail, time.limit_s, chosen=time.chosen)
            return Sent({"message_id": mail.message_id, "accepted": list(mail.recipients), "relay": answer})

        effect = Effect("email", attempt, timeout_s=email.TIMEOUT_S, mask=mask)
        return await self._deliverer.deliver(task.message, effect)

    async def _mail(self, call: EmailCall, task: TaskContext) -> Mail:
        wanted = call.wanted
        if wanted.sources:
            parts = await self._outside.templates.render(task.tenant, wanted.sources, call.data)
            wanted = msgspec.structs.replace(wanted, template=None, **parts)
        files = await self._files(wanted, task.tenant)
        order = MailOrder(wanted, self._outside.sender, files, task.effect_key, self._clock.now())
        return await self._outside.inputs.make(task.tenant, order)

    async def _files(self, wanted: EmailInput, tenant: str) -> list[File]:
        listed = email.checked_attachments(wanted)
        if not listed:
            return []
        store = self._outside.artifacts
        if store is None:
            raise PermanentFault("no artifact store is configured; set VISAPI_ARTIFACTS_URL for the notifier")
        total = sum([await store.size(tenant, artifact) or 0 for artifact, _, _ in listed])
        email.check_size(total)
        return [
            File(name, media_type or self._outside.media_type_of(artifact), await store.get(tenant, artifact))
            for artifact, name, media_type in listed
        ]
