"""Wires the notifier: settings in, functions served until the process is told to stop."""

import asyncio
import os
import random
import secrets
import sys
from functools import partial

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.clock import SystemClock
from visapi_common.adapters.pool import open_pool
from visapi_common.contracts.subjects import BUILTIN
from visapi_common.core.errors import ProblemError
from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import SettingsError, load
from visapi_common.worker.worker import Worker
from visapi_notifier.accounts.authentication import Authenticator
from visapi_notifier.accounts.inputs import Inputs
from visapi_notifier.accounts.secrets import Secrets
from visapi_notifier.accounts.store import PostgresSecrets
from visapi_notifier.channels.http.service import HttpFunctions
from visapi_notifier.delivery.deliver import Deliverer
from visapi_notifier.delivery.leases import LeaseKeeper
from visapi_notifier.delivery.store import PostgresLedger
from visapi_notifier.functions import Functions
from visapi_notifier.opening import World
from visapi_notifier.settings import NotifierSettings


def main() -> int:
    """Run the service; the exit code, 2 for wrong settings."""
    try:
        settings = load(NotifierSettings, os.environ)
        world = World(settings)
    except (SettingsError, ProblemError, ValueError) as error:
        sys.stderr.write(f"notifier: {error}\n")
        return 2
    return run_service("notifier", partial(_body, settings, world), settings)


async def _body(settings: NotifierSettings, world: World, lifecycle: Lifecycle) -> None:
    lifecycle.ready("tasks", False)
    world.measure(lifecycle.metrics)
    payloads = PayloadStore.open(settings.artifacts_url) if settings.artifacts_url else None
    pool = await open_pool(settings.postgres_url, size=settings.postgres_pool, application="notifier")
    bus = await Bus.connect(settings.nats_url, "notifier")
    clock = SystemClock()
    ledger = PostgresLedger(pool, payloads, keep_days=settings.deliveries_keep_days)
    leases = LeaseKeeper(ledger, clock)
    deliverer = Deliverer(
        ledger, leases, clock, lifecycle.metrics, new_owner=lambda: secrets.token_hex(16), draw=random.random
    )
    worker = Worker("notifier")
    rows = PostgresSecrets(pool, settings.sealing_key) if settings.sealing_key else None
    secrets_of = Secrets(rows, settings.handle_secret, settings.public_url)
    authenticator = Authenticator(world.exchange, clock, partial(secrets.token_hex, 16))
    inputs = Inputs(world.inputs, secrets_of)
    http = HttpFunctions(deliverer, inputs, authenticator, world, clock)
    Functions(deliverer, world, clock, inputs, http).register(worker)
    async with asyncio.TaskGroup() as group:
        upkeep = [group.create_task(ledger.run()), group.create_task(leases.run())]
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
    await world.close()
    await bus.close()
    await pool.close()
