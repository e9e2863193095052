"""`Transitions` on fakes: runs are accepted, told and answered as in the whole, and each batch is one call."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from kit.fakes.clocks import CountingIds, FakeClock
from kit.fakes.deliveries import FakeDelivery
from kit.fakes.engine import InlineEngine
from kit.fakes.ledger import FakeLedger
from kit.fakes.nats import FakeNats
from kit.fakes.payloads import FakePayloads
from kit.fakes.rows import FakeRows
from visapi_common.contracts.engine_messages import Outcome, TaskResult, Trigger, WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.setup import open_metrics
from visapi_common.telemetry.spans import Spans
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.database_clock import DatabaseClock
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.kernel.rules.usage import Usage
from visapi_orchestrator.tasks.outbox import Outbox
from visapi_orchestrator.transitions.dependencies import Bounds, RunKeys, TransitionDependencies
from visapi_orchestrator.transitions.large_values import LargeValues
from visapi_orchestrator.transitions.protocol import Transitions
from visapi_orchestrator.transitions.rules.snapshot import snapshot_of
from visapi_orchestrator.transitions.slow_runs import SlowRuns
from visapi_orchestrator.transitions.values import ValueReader

SECRET = b"k" * 32
TENANT = "default"
_encode = msgspec.json.encode


class TransitionWorld:
    """What one test looks at. `heard` holds what other loops were told after commits."""

    def __init__(
        self, *, record_inputs: bool = False, history_max: int = 10_000, keys: RunKeys | None = None
    ) -> None:
        self.rows = FakeRows()
        self.ledger = FakeLedger(self.rows)
        self.engine = InlineEngine()
        self.nats = FakeNats(self.rows)
        self.payloads = FakePayloads()
        self.metrics = open_metrics()
        self.ids = CountingIds()
        self.slow_runs = SlowRuns()
        self.usage = Usage(FakeClock().monotonic)
        self.heard: list[tuple[str, object]] = []
        self.held: set[str] = set()
        """Functions whose tasks may not be sent at once."""
        self.set_aside: list[DeadLetterEntry] = []
        self._bounds = Bounds(depth_max=10, history_max=history_max)
        self._record = record_inputs
        self.restart(keys or RunKeys(effects=Keyring.of(SECRET), handles=Keyring.of(SECRET)))

    def restart(self, keys: RunKeys) -> None:
        """Another process on the same rows, with these keys."""
        clock = DatabaseClock(FakeClock())
        clock.heard(self.rows.now_ms)
        self.transitions = Transitions(
            TransitionDependencies(
                ledger=self.ledger,
                engine=self.engine,
                values=ValueReader(self.payloads),
                large=LargeValues(self.payloads),
                outbox=Outbox(self.nats, self.metrics),
                sends_at_once=lambda function: function not in self.held,
                clock=clock,
                metrics=self.metrics,
                spans=Spans(),
                timer_set=lambda fire_at_ms: self.heard.append(("timer", fire_at_ms)),
                emitted=lambda: self.heard.append(("emitted", None)),
                woken=lambda runs: self.heard.append(("woken", runs)),
                history_written=lambda: self.heard.append(("history", None)),
                set_aside=self._set_aside,
                slow_runs=self.slow_runs,
                usage=self.usage,
            ),
            keys=keys,
            record_inputs=self._record,
            bounds=self._bounds,
        )

    async def _set_aside(self, dead_letter: DeadLetterEntry) -> None:
        self.set_aside.append(dead_letter)

    def accepted(self, do: str, value: Any = None, *, tenant: str = TENANT) -> RunMessages:
        """A run that the gateway has committed, and the delivery of its trigger."""
        trigger = Trigger(
            run=self.ids.uuid7(),
            tenant=tenant,
            workflow=WorkflowRef("test", "flow", "1.0.0"),
            program=self.engine.deploy(do),
            input=inline(_encode(value)),
            created_at=self.rows.now,
        )
        self.rows.accept(snapshot_of(trigger))
        return RunMessages(trigger.run, trigger=trigger, receipts=[FakeDelivery()])

    async def started(self, do: str, value: Any = None) -> UUID:
        """A run after its first transition."""
        messages = self.accepted(do, value)
        assert await self.transitions.advance([messages])
        return messages.run

    def asked(self, run: UUID) -> list[TaskMessage]:
        """The tasks of a run that are open in the ledger."""
        bodies = [row.message for (owner, _), row in self.rows.tasks.items() if owner == run]
        return [msgspec.json.decode(body, type=TaskMessage) for body in bodies]

    def result(self, task: TaskMessage, output: Any = None) -> TaskResult:
        return TaskResult(
            task.run, task.path, task.attempt, task.token, Outcome.COMPLETED, inline(_encode(output))
        )

    def answered(self, task: TaskMessage, output: Any = None) -> RunMessages:
        return RunMessages(task.run, results=[self.result(task, output)], receipts=[FakeDelivery()])

    def tell(self, run: UUID, kind: str, **body: Any) -> RunMessages:
        """A row in the run's inbox, and the hint of it."""
        self.rows.put_inbox(run, kind, TENANT, kind, _encode({"actor": "tester", **body}))
        return RunMessages(run, has_waiting_rows=True, receipts=[FakeDelivery()])

    def output(self, run: UUID) -> Any:
        stored = self.rows.done[run].end.output
        assert stored is not None
        return msgspec.json.decode(stored)["inline"]

    def error(self, run: UUID) -> dict[str, Any]:
        stored = self.rows.done[run].end.error
        assert stored is not None
        return msgspec.json.decode(stored)

    def history(self, run: UUID) -> list[str]:
        items = [one for row in self.rows.history if row.run == run for one in msgspec.json.decode(row.items)]
        return [item["type"] for item in items]


def fates(batch: Sequence[RunMessages]) -> list[list[str]]:
    """What became of the deliveries of each run's messages."""
    fakes = [[one for one in messages.receipts if isinstance(one, FakeDelivery)] for messages in batch]
    return [[fate for one in some for fate in one.fate] for some in fakes]
