"""Wires the notifier and serves its functions until the process is stopped."""

import asyncio
import os
import sys
from functools import partial

from visapi_common.adapters.artifacts import PayloadStore, TemplateStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.pool_meter import open_metered_pool
from visapi_common.contracts.subjects import BUILTIN
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import SettingsError, load
from visapi_common.templates.stored import StoredTemplates
from visapi_common.worker.worker import Worker
from visapi_notifier.accounts.store import PostgresAccounts
from visapi_notifier.credentials.store import PostgresSecrets
from visapi_notifier.delivery.leases import LeaseKeeper
from visapi_notifier.delivery.store import PostgresLedger
from visapi_notifier.opening import Opened, Stored
from visapi_notifier.settings import NotifierSettings


def main() -> int:
    """Run the service; the exit code, 2 for wrong settings."""
    try:
        settings = load(NotifierSettings, os.environ)
        opened = Opened(settings)
    except (SettingsError, ProblemError, ValueError) as error:
        sys.stderr.write(f"notifier: {error}\n")
        return 2
    return run_service("notifier", partial(_body, settings, opened), settings)


async def _body(settings: NotifierSettings, opened: Opened, lifecycle: Lifecycle) -> None:
    lifecycle.ready("tasks", False)
    payloads = PayloadStore.open(settings.artifacts_url, settings.s3) if settings.artifacts_url else None
    pool = await open_metered_pool(
        settings.postgres_urls,
        size=settings.postgres_connections,
        application="notifier",
        metrics=lifecycle.metrics,
        pooler=settings.postgres_pooler,
    )
    bus = await Bus.connect(settings.nats_urls, "notifier", access=settings.nats_access("notifier"))
    ledger = PostgresLedger(pool, payloads, keep_days=settings.deliveries_keep_days)
    leases = LeaseKeeper(ledger, SystemClock())
    secrets = PostgresSecrets(pool, settings.sealing_key) if settings.sealing_key else None
    contents = TemplateStore.open(settings.artifacts_url, settings.s3) if settings.artifacts_url else None
    templates = StoredTemplates(bus, contents, SystemClock().monotonic) if contents else None
    stored = Stored(secrets, PostgresAccounts(pool), templates)
    worker = Worker("notifier")
    opened.register(worker, lifecycle.metrics, ledger, leases, stored)
    async with asyncio.TaskGroup() as group:
        group.create_task(opened.answer(bus, lifecycle.metrics, stored, lifecycle.stopping))
        upkeep = [group.create_task(ledger.run()), group.create_task(leases.run())]
        if settings.sealing_key:
            sender = opened.sender(pool, settings.sealing_key, lifecycle.metrics, bus)
            group.create_task(sender.run(lifecycle.stopping))
        await worker.serve(
            bus,
            tenant=BUILTIN,
            stopping=lifecycle.stopping,
            metrics=lifecycle.metrics,
            spans=lifecycle.spans,
            payloads=payloads,
            ready=partial(lifecycle.ready, "tasks"),
        )
        for task in upkeep:
            task.cancel()
    await opened.close()
    await bus.close()
    await pool.close()
