"""Opens the notifier's outbound connections, all behind the egress guard."""

import asyncio
import os
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.egress import open_client
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.egress_fetch import exchange
from visapi_common.adapters.egress_tls import tls_context
from visapi_common.adapters.pool import Pool
from visapi_common.contracts import subjects
from visapi_common.core.egress_policy import EgressPolicy, policy_from
from visapi_common.core.keyrings import Keyring
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.runtime.bounded_processes import BoundedProcesses, JobQueueLimits, PoolLimits
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.templates.renderer import PATIENCE
from visapi_common.templates.stored import StoredTemplates
from visapi_common.worker.worker import Worker
from visapi_notifier import channels
from visapi_notifier.accounts.service import AccountRows, Accounts
from visapi_notifier.accounts.verifying import Verifier
from visapi_notifier.channel_service import Dependencies, Jobs, Outside, Service
from visapi_notifier.credentials.authentication import Authenticator
from visapi_notifier.credentials.inputs import Inputs
from visapi_notifier.credentials.secrets import SecretRows, Secrets
from visapi_notifier.delivery.deliver import Deliverer, Ledger
from visapi_notifier.delivery.leases import LeaseKeeper
from visapi_notifier.delivery.serving import served
from visapi_notifier.endpoints.announcements import Announcements
from visapi_notifier.endpoints.sending import Sender
from visapi_notifier.endpoints.store import PostgresEndpoints
from visapi_notifier.outbound.bounded import MIB, READING_S
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.preparing import bounded as preparing
from visapi_notifier.preparing.bounded import BoundedInputs
from visapi_notifier.settings import NotifierSettings

PRIVATE_LIMITS = PoolLimits(
    queue=JobQueueLimits(
        at_once=2,
        per_tenant=1,
        waiting=1024,
        waiting_per_tenant=256,
        bytes_waiting=1024 * MIB,
        bytes_waiting_per_tenant=192 * MIB,
    ),
    wait_s=READING_S,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What tenants have stored. `secrets` is None where secrets cannot be opened."""

    secrets: SecretRows | None
    accounts: AccountRows
    templates: StoredTemplates | None = None
    """None without a configured artifact store."""


class Opened:
    """Opens everything from the settings; connections are made on demand.

    Raises `ValueError` or `ProblemError` for settings that cannot be used.
    """

    def __init__(self, settings: NotifierSettings) -> None:
        self._settings = settings
        self._policy = policy_from(settings.egress_allow, settings.egress_origins)
        self._services: dict[str, Service] = {
            name: kind(settings) for name, kind in channels.services().items()
        }
        self._artifacts = (
            ArtifactStore.open(settings.artifacts_url, settings.s3) if settings.artifacts_url else None
        )
        self._pools: list[BoundedProcesses] = []
        self._exchange = EgressClient(self._policy)
        self._webhooks = EgressClient(self._policy)
        self._verifier: Verifier | None = None

    def register(
        self, worker: Worker, metrics: Metrics, ledger: Ledger, leases: LeaseKeeper, stored: Stored
    ) -> None:
        """Serve every channel. Deliveries have a ledger here, so the orchestrator's claim is not used."""
        settings, clock = self._settings, SystemClock()
        opener = Secrets(stored.secrets, settings.handle_secret, settings.public_url)
        programs, private = self._pools = [open_programs(metrics), open_private(metrics)]
        deliverer = Deliverer(
            ledger, leases, clock, metrics, new_owner=partial(secrets.token_hex, 16), draw=random.random
        )
        dependencies = Dependencies(
            deliverer=deliverer,
            inputs=Inputs(BoundedInputs(private), opener, metrics),
            accounts=Accounts(stored.accounts, settings.sealing_key, clock, metrics),
            clock=clock,
            authenticator=Authenticator(self._exchange, clock, partial(secrets.token_hex, 16)),
            exchange=self._exchange,
            dialer=EgressDialer(self._policy),
            artifacts=self._artifacts,
            templates=stored.templates,
            programs=programs,
            private=private,
        )
        own = Mask()
        own.add([text for service in self._services.values() for text in service.credentials])
        for name, channel in channels.declared().items():
            keyed = channel.effect == "keyed"
            ask = partial(deliverer.known, channel=channel.label, repeatable=keyed, varies=channel.varies)
            worker.function(
                name,
                effect=channel.effect,
                timeout_s=channel.timeout_s,
                concurrency=channel.concurrency,
                local=channel.local,
                description=channel.description,
                claims=False,
                ledger=True,
                shape=channel.input,
            )(served(self._services[name].handler(dependencies), own, ask))

    async def answer(self, bus: Bus, metrics: Metrics, stored: Stored, stopping: asyncio.Event) -> None:
        """Try accounts when the gateway asks, until the notifier is `stopping`: it takes no question while it
        finishes its tasks. The connections are separate, so they hold up no mail.
        """
        outside = Outside(EgressDialer(self._policy), self._exchange)
        declared = channels.declared()
        probes = {
            kind: probe
            for name, service in self._services.items()
            if (kind := declared[name].account) and (probe := service.probe(outside))
        }
        keys = self._settings.sealing_key
        self._verifier = Verifier(stored.accounts, keys, probes, SystemClock(), metrics)
        questions = await bus.subscribe(subjects.CONTROL_ACCOUNTS, self._verifier.receive, "notifier")
        await stopping.wait()
        await questions.close()

    def sender(self, pool: Pool, keys: Keyring, metrics: Metrics, bus: Bus) -> Sender:
        """Sends webhooks to endpoints, over connections of its own: slow endpoints hold up no channel."""
        rows = PostgresEndpoints(pool, keys, secrets.token_hex(16))
        announce = Announcements(bus.publish_quietly)
        return Sender(rows, self._webhooks, SystemClock(), metrics, draw=random.random, announce=announce)

    async def close(self) -> None:
        """End the processes and close every connection."""
        if self._verifier is not None:
            await self._verifier.close()
        for pool in self._pools:
            await pool.close()
        for service in self._services.values():
            await service.close()
        await self._exchange.close()
        await self._webhooks.close()


class EgressClient:
    """HTTP exchanges through the egress guard, over kept connections."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._client = open_client(policy)

    async def __call__(self, outbound: Outbound) -> Inbound:
        """One exchange; see `egress_fetch.exchange`."""
        if outbound.certificate is None:
            return await exchange(self._client, outbound)
        # A separate client, because a shared connection would share the client certificate.
        context = await asyncio.to_thread(tls_context, outbound.certificate)
        async with open_client(self._policy, ssl_context=context) as client:
            return await exchange(client, outbound)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()


def open_programs(metrics: Metrics) -> BoundedProcesses:
    """Processes that run templates and read documents."""
    return _pool(metrics, [service.programs for service in channels.services().values()], PATIENCE)


def open_private(metrics: Metrics) -> BoundedProcesses:
    """Processes that are given opened secrets."""
    own = Jobs((preparing.PREPARE,), (preparing.WARM_UP,))
    parts = [own, *(service.private for service in channels.services().values())]
    return _pool(metrics, parts, PRIVATE_LIMITS)


def _pool(metrics: Metrics, parts: Sequence[Jobs], limits: PoolLimits) -> BoundedProcesses:
    """Under root its processes become `nobody`."""
    return BoundedProcesses(
        [job for part in parts for job in part.jobs],
        metrics,
        warm_up=[function for part in parts for function in part.warm_up],
        user="nobody" if os.geteuid() == 0 else "",
        limits=limits,
    )
