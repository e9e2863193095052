"""What the notifier reaches the world with, all of it behind the egress guard."""

import asyncio

from visapi_common.adapters.artifacts import ArtifactStore, media_type_of
from visapi_common.adapters.egress import open_client
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.egress_fetch import exchange
from visapi_common.adapters.egress_tls import tls_context
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.runtime.bounded_processes import BoundedProcesses
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.channels.email.rules.addresses import mailbox
from visapi_notifier.channels.email.rules.relay import relay_of
from visapi_notifier.channels.email.smtp_relay import SmtpRelay
from visapi_notifier.channels.email.templates import TemplateProcess
from visapi_notifier.channels.openapi.documents import BoundedDocuments
from visapi_notifier.preparing.bounded import BoundedAnswers, BoundedInputs, open_private_processes
from visapi_notifier.preparing.processes import open_processes
from visapi_notifier.settings import NotifierSettings


class World:
    """Opened from the settings; nothing connects before it is needed.

    Raises `ValueError` or `ProblemError` for settings that cannot be used.
    """

    def __init__(self, settings: NotifierSettings) -> None:
        policy = policy_from(settings.egress_allow, settings.egress_origins)
        relay = relay_of(settings.smtp_url) if settings.smtp_url else None
        self.sender = mailbox(settings.mail_from, "VISAPI_MAIL_FROM")
        self.relay = SmtpRelay(relay, EgressDialer(policy), ident=self.sender.domain) if relay else None
        self.artifacts = ArtifactStore.open(settings.artifacts_url) if settings.artifacts_url else None
        self.slack_base_url = settings.slack_base_url
        self.slack_token = settings.slack_token
        self.credentials = [text for text in (settings.slack_token, relay and relay.password) if text]
        self._pools: list[BoundedProcesses] = []
        self._policy = policy
        self._client = open_client(policy)

    def measure(self, metrics: Metrics) -> None:
        """Have the work in bounded processes measured; nothing can be rendered before."""
        programs, private = self._pools = [open_processes(metrics), open_private_processes(metrics)]
        self.templates = TemplateProcess(programs)
        self.documents = BoundedDocuments(programs)
        self.answers = BoundedAnswers(private)
        self.inputs = BoundedInputs(private)

    async def exchange(self, outbound: Outbound) -> Inbound:
        """One HTTP exchange; see `egress_fetch.exchange`."""
        if outbound.certificate is None:
            return await exchange(self._client, outbound)
        # A client of its own: who shares a connection shares what it was opened with.
        context = await asyncio.to_thread(tls_context, outbound.certificate)
        async with open_client(self._policy, ssl_context=context) as client:
            return await exchange(client, outbound)

    def media_type_of(self, artifact_id: str) -> str:
        return media_type_of(artifact_id)

    async def close(self) -> None:
        for pool in self._pools:
            await pool.close()
        if self.relay is not None:
            await self.relay.close()
        await self._client.aclose()
