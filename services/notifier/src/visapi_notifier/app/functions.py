"""The notifier's four functions: read the input, build the request, deliver it under its key."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import msgspec

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import PermanentFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import TaskFault
from visapi_common.worker.worker import Worker
from visapi_notifier.app.deliver import Clock, Deliverer, Effect
from visapi_notifier.core.channels import email, http, slack, webhook
from visapi_notifier.core.channels.email import EmailInput, File, Mail
from visapi_notifier.core.channels.http import HttpInput
from visapi_notifier.core.channels.slack import SlackInput
from visapi_notifier.core.channels.webhook import WebhookInput
from visapi_notifier.core.delivery import Ended, after_fault
from visapi_notifier.core.mail_address import Mailbox
from visapi_notifier.core.reading import Reading, Sent

FUNCTION_TIMEOUT_S = 200.0
"""Above every try, the in-process retries and the relay's final answer together."""
CONCURRENCY = 256
LOCAL = 128


class MailRelay(Protocol):
    async def send(self, mail: Mail) -> str: ...


class Artifacts(Protocol):
    async def get(self, tenant: str, artifact_id: str) -> bytes: ...


class Templates(Protocol):
    async def render(self, sources: dict[str, str], data: Any) -> dict[str, str]: ...


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
    def slack_base_url(self) -> str: ...
    @property
    def slack_token(self) -> str | None: ...
    async def exchange(self, outbound: Outbound) -> Inbound: ...
    def media_type_of(self, artifact_id: str) -> str: ...


class Functions:
    """The handlers; `register` puts them into a worker."""

    def __init__(self, deliverer: Deliverer, outside: Outside, clock: Clock) -> None:
        self._deliverer = deliverer
        self._outside = outside
        self._clock = clock

    def register(self, worker: Worker) -> None:
        """Serve all four. They keep their own ledger, so the orchestrator's claim is not used."""
        serve = partial(
            worker.function, timeout_s=FUNCTION_TIMEOUT_S, concurrency=CONCURRENCY, local=LOCAL, claims=False
        )
        serve("notify.email", effect="once")(self.send_email)
        serve("notify.webhook", effect="keyed")(self.call_webhook)
        serve("notify.slack", effect="once")(self.post_to_slack)
        serve("http.request", effect="once")(self.request_http)

    async def call_webhook(self, wanted: WebhookInput, task: TaskContext) -> Any:
        """Post a signed webhook."""
        key = task.effect_key
        self._refused_early(lambda: webhook.build_request(wanted, effect_key=key, now=self._clock.now()))

        async def attempt(timeout_s: float) -> Reading:
            outbound = webhook.build_request(wanted, effect_key=key, now=self._clock.now())
            inbound = await self._outside.exchange(replace(outbound, timeout_s=timeout_s))
            return webhook.read_response(inbound, effect_key=key, now=self._clock.now())

        effect = Effect("webhook", attempt, keyed=True, timeout_s=webhook.TIMEOUT_S)
        return await self._deliverer.deliver(task.message, effect)

    async def post_to_slack(self, wanted: SlackInput, task: TaskContext) -> Any:
        """Post a message to Slack."""
        outside = self._outside
        outbound = self._refused_early(
            lambda: slack.build_request(wanted, base_url=outside.slack_base_url, token=outside.slack_token)
        )

        async def attempt(timeout_s: float) -> Reading:
            inbound = await outside.exchange(replace(outbound, timeout_s=timeout_s))
            return slack.read_response(wanted, inbound, now=self._clock.now())

        effect = Effect("slack", attempt, timeout_s=slack.TIMEOUT_S)
        return await self._deliverer.deliver(task.message, effect)

    async def request_http(self, wanted: HttpInput, task: TaskContext) -> Any:
        """Make an HTTP request."""
        outbound = self._refused_early(lambda: http.build_request(wanted))
        kind = http.effect_of(wanted)

        async def attempt(timeout_s: float) -> Reading:
            inbound = await self._outside.exchange(replace(outbound, timeout_s=timeout_s))
            return http.read_response(wanted, outbound, inbound, now=self._clock.now())

        effect = Effect(
            "http",
            attempt,
            keyed=kind is not http.Effect.ONCE,
            recorded=kind is not http.Effect.NONE,
            timeout_s=http.TIMEOUT_S,
        )
        return await self._deliverer.deliver(task.message, effect)

    async def send_email(self, wanted: EmailInput, task: TaskContext) -> Any:
        """Send a mail."""
        relay = self._outside.relay
        if relay is None:
            raise PermanentFault("no mail relay is configured; set VISAPI_SMTP_URL for the notifier")
        mail = await self._mail(wanted, task)

        async def attempt(_timeout_s: float) -> Reading:
            answer = await relay.send(mail)
            return Sent({"message_id": mail.message_id, "accepted": list(mail.recipients), "relay": answer})

        return await self._deliverer.deliver(task.message, Effect("email", attempt))

    async def _mail(self, wanted: EmailInput, task: TaskContext) -> Mail:
        if wanted.sources:
            parts = await self._outside.templates.render(wanted.sources, wanted.data)
            wanted = msgspec.structs.replace(wanted, **parts)
        files = await self._files(wanted, task.tenant)
        return email.build_request(
            wanted,
            sender=self._outside.sender,
            files=files,
            effect_key=task.effect_key,
            now=self._clock.now(),
        )

    async def _files(self, wanted: EmailInput, tenant: str) -> Sequence[File]:
        listed = email.checked_attachments(wanted)
        if not listed:
            return []
        store = self._outside.artifacts
        if store is None:
            raise PermanentFault("no artifact store is configured; set VISAPI_ARTIFACTS_URL for the notifier")
        return [
            File(name, media_type or self._outside.media_type_of(artifact), await store.get(tenant, artifact))
            for artifact, name, media_type in listed
        ]

    def _refused_early(self, build: Callable[[], Outbound]) -> Outbound:
        """Build a request before anything is recorded; what can never be reached ends here."""
        try:
            return build()
        except EgressRefused as refused:
            self._deliverer.note_refusal(refused)
            ended = after_fault(refused, repeatable=False, backoff_s=0.0)
            assert isinstance(ended, Ended)
            assert ended.error is not None
            raise TaskFault(ended.error) from refused
