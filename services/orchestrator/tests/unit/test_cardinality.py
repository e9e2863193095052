"""How many time series an orchestrator has does not follow from what tenants call their functions."""

from uuid import uuid4

from kit.fakes.nats import FakeNats
from kit.fakes.rows import FakeRows
from kit.fakes.snapshots import pending
from visapi_common.adapters.bus_meter import BusMeter
from visapi_common.contracts import subjects
from visapi_common.contracts.runs import RunStatus
from visapi_common.telemetry.setup import open_metrics
from visapi_engine.compile.functions import WORKER_FUNCTIONS
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.tasks.outbox import Outbox
from visapi_orchestrator.tasks.rules.counting import OWN, counted_as
from visapi_orchestrator.transitions.rules.outgoing_tasks import Outgoing
from visapi_orchestrator.transitions.rules.step import Step

MANY = 10_000


def test_ten_thousand_tenants_and_functions_make_no_time_series():
    metrics = open_metrics()
    nats, meter = FakeNats(FakeRows()), BusMeter(metrics)
    outbox = Outbox(nats, metrics)

    def series() -> int:
        return sum(len(family.samples) for family in metrics.registry.collect())

    few = 0
    for number in range(MANY):
        function, tenant = f"acme{number}.do", f"tenant{number}"
        subject = subjects.task(tenant, function)
        sent = Outgoing("/do/0/a", 1, function, "ab" * 32, "cd" * 32, subject, b"{}")
        snapshot = pending()
        answer = Answer(snapshot.run, RunStatus.RUNNING, b"{}", first_seq=1, seq=1, commands=[])
        outbox.announce(Step(RunMessages(snapshot.run), snapshot, [], answer, tasks=[sent]))
        for each in (
            subject,
            subjects.live(tenant, uuid4()),
            subjects.register(tenant),
            f"_INBOX.{tenant}.x",
        ):
            meter.sent(each, "publish")
        few = few or series()
    assert len(nats.tasks()) == MANY
    assert series() == few
    assert few < 100


def test_tasks_of_built_in_functions_are_counted_by_name():
    assert {counted_as(function) for function in WORKER_FUNCTIONS} == set(WORKER_FUNCTIONS)
    assert counted_as("http.of-a-tenant") == counted_as("acme.do") == OWN
