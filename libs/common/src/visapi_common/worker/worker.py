"""The worker kit: register functions with a decorator, then serve them until stopped."""

import asyncio
import os
import random
import secrets
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, TypeVar

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.bus import Bus
from visapi_common.adapters.pull_loop import PullLoop
from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import EffectClass, FunctionSpec
from visapi_common.core import nats_url
from visapi_common.runtime.connections import ArtifactSettings
from visapi_common.runtime.secret_lines import valid_lines
from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import Secret, SettingsError, load
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans
from visapi_common.worker.announce import Announcer
from visapi_common.worker.answers import TaskResults
from visapi_common.worker.attempt import Attempts
from visapi_common.worker.claims import Claims
from visapi_common.worker.functions import Function, Handler
from visapi_common.worker.intake import Intake
from visapi_common.worker.meter import FunctionMeter
from visapi_common.worker.open_tasks import OpenTasks

_OWN = "worker"
_OF_THE_COMMAND_LINE = frozenset({"VISAPI_URL", "VISAPI_API_KEY", "VISAPI_DATA_DIR"})

H = TypeVar("H", bound=Handler)
T = TypeVar("T")


def _unheard(_ok: bool) -> None:
    """Ignore readiness."""


class WorkerSettings(ArtifactSettings, frozen=True, kw_only=True):
    """The settings of your own worker, from its environment."""

    nats_url: Secret = "nats://127.0.0.1:4222"
    """The URL of NATS, with credentials. The file of `VISAPI_NATS_URL_FILE` is read again at each connection;
    while the password is rotated, it may hold two URLs, a line each."""
    tenant: str = "default"
    """The tenant whose workflows may call the functions."""
    artifacts_url: str | None = None
    """The artifact store, for inputs and outputs above 64 KiB of JSON."""


class Worker:
    """A process that serves functions. `name` appears in results and logs."""

    def __init__(self, name: str = "worker") -> None:
        self.name = name
        self._functions: dict[str, Function] = {}

    def function(  # noqa: PLR0913 (one call declares everything of a function; only its name is required)
        self,
        name: str,
        *,
        effect: Literal["none", "keyed", "reconcilable", "once"] = "once",
        timeout_s: float = 30.0,
        concurrency: int = 16,
        local: int | None = None,
        version: str = "1.0.0",
        description: str = "",
        input_schema: dict[str, Any] | None = None,
        output_schema: dict[str, Any] | None = None,
        claims: bool = True,
        ledger: bool = False,
        shape: type | None = None,
    ) -> Callable[[H], H]:
        """Serve the decorated function under `name`.

        It takes the input and, when it has a second parameter, a `TaskContext`. `concurrency`
        bounds the tasks in work over all replicas, `local` those in this process (the same when
        unset). `claims=False` is for a *once* function that knows by itself whether it was started before;
        with `ledger` it also holds what is uncertain by itself. `shape` is
        what is announced of the input where the function reads it by itself, as plain data.
        """

        def register(handler: H) -> H:
            spec = FunctionSpec(
                name=name,
                version=version,
                effect=EffectClass(effect),
                timeout_s=timeout_s,
                description=description or (handler.__doc__ or "").strip().partition("\n")[0],
                input_schema=input_schema,
                output_schema=output_schema,
                concurrency=concurrency,
            )
            if name in self._functions:
                raise ValueError(f"the function {name} is registered twice")
            self._functions[name] = Function(
                spec, handler, local=local or concurrency, claims=claims, ledger=ledger, shape=shape
            )
            return handler

        return register

    async def serve(  # noqa: PLR0913 (the process passes all of its parts by name)
        self,
        bus: Bus,
        *,
        tenant: str,
        stopping: asyncio.Event,
        metrics: Metrics,
        spans: Spans,
        payloads: PayloadStore | None = None,
        ready: Callable[[bool], None] = _unheard,
    ) -> None:
        """Announce, pull and work until `stopping`; then finish open tasks and return.

        `tenant` is the owner of the functions, `_` for the built-in ones. `ready` is told when
        tasks are being pulled. Cancelling hands every open task back to the server. Raises
        `ProblemError` when the orchestrator refuses the functions.
        """
        worker_id = f"{self.name}-{secrets.token_hex(4)}"
        specs = [function.announcement() for function in self._functions.values()]
        slots = {name: function.local for name, function in self._functions.items()}
        announcer = Announcer(bus, tenant=tenant, worker=worker_id, functions=specs, slots=slots)
        consumers = await _unless(stopping, announcer.first())
        if consumers is None:
            return
        bus.on_reconnect(announcer.again)
        bus.count_in(metrics)
        tasks = OpenTasks(bus)
        # Dead letters are published under the name of the NATS user, which may use no other.
        service = self.name if tenant == subjects.BUILTIN else _OWN
        answers = TaskResults(bus, payloads, random.random, service=service, worker=worker_id)
        attempts = Attempts(answers, Claims(bus, tenant, worker_id, random.random), spans, random.random)
        pulls: list[PullLoop] = []
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(tasks.keep_alive(pulls)),
                group.create_task(announcer.keep()),
            ]
            for name, function in self._functions.items():
                pull = PullLoop(
                    bus,
                    subjects.STREAM_TASKS,
                    consumers[name],
                    window=function.window,
                    holding=function.threaded,
                )
                await pull.start()
                pulls.append(pull)
                intake = Intake(
                    function, pull, attempts, tasks, FunctionMeter(metrics, name, function.spec.concurrency)
                )
                group.create_task(intake.run(group))
            try:
                ready(True)
                await stopping.wait()
            finally:
                for pull in pulls:
                    await pull.stop()
            await tasks.drained()
            for upkeep in background:
                upkeep.cancel()

    def run(self) -> int:
        """Serve until SIGTERM or Ctrl-C with settings from the environment; the exit code."""
        try:
            settings = load(WorkerSettings, _of_workers(os.environ))
        except SettingsError as error:
            sys.stderr.write(f"{self.name}: {error}\n")
            return 2

        async def body(lifecycle: Lifecycle) -> None:
            lifecycle.ready("tasks", False)
            bus = await Bus.connect(lambda: valid_lines(settings.nats_url, nats_url.flaw), self.name)
            try:
                await self.serve(
                    bus,
                    tenant=settings.tenant,
                    stopping=lifecycle.stopping,
                    metrics=lifecycle.metrics,
                    spans=lifecycle.spans,
                    payloads=PayloadStore.open(settings.artifacts_url, settings.s3)
                    if settings.artifacts_url
                    else None,
                    ready=lambda ok: lifecycle.ready("tasks", ok),
                )
            finally:
                await bus.close()

        return run_service(self.name, body, settings)


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`, or `None` when `stopping` was set first."""
    wait, task = asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(work)
    try:
        await asyncio.wait({wait, task}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        wait.cancel()
        task.cancel()


def _of_workers(environ: Mapping[str, str]) -> dict[str, str]:
    """The worker's own settings, without those of the command line, which `visapi env` also sets."""
    return {name: value for name, value in environ.items() if name not in _OF_THE_COMMAND_LINE}
