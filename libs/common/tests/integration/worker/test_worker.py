"""The worker kit on a real NATS server, with a stand-in for the orchestrator."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.contracts.engine_messages import Outcome
from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import ClaimVerdict, EffectClass
from visapi_common.worker import (
    PermanentFault,
    Postponed,
    ProblemError,
    ReadOnly,
    TaskContext,
    TaskFault,
    TransientFault,
    UnknownFault,
    Worker,
)


class Applicant(msgspec.Struct):
    age: int
    country: str = "CH"


class Score(msgspec.Struct):
    score: float


async def test_a_function_is_announced_with_the_schemas_of_its_types(orchestrator, serve):
    worker = Worker("acme")

    @worker.function("acme.score", effect="keyed", timeout_s=12, concurrency=7)
    async def score(applicant: Applicant) -> Score:
        """Score an applicant."""
        return Score(applicant.age / 2)

    await serve(worker)
    (spec,) = orchestrator.registrations[0].functions
    assert (spec.name, spec.effect, spec.timeout_s, spec.concurrency) == (
        "acme.score",
        EffectClass.KEYED,
        12,
        7,
    )
    assert spec.description == "Score an applicant."
    assert spec.input_schema["$defs"]["Applicant"]["required"] == ["age"]
    assert "score" in spec.output_schema["$defs"]["Score"]["properties"]


async def test_a_task_is_counted_while_it_is_worked_on(orchestrator, serve):
    worker, working, done = Worker(), asyncio.Event(), asyncio.Event()

    @worker.function("acme.busy", effect="keyed")
    async def busy(_input: Any) -> None:
        working.set()
        await done.wait()

    served = await serve(worker)
    task = await orchestrator.send("acme.busy")
    await working.wait()
    read, which = served.metrics.registry.get_sample_value, {"function": "acme.busy"}
    assert read("visapi_worker_in_flight", which) == 1
    done.set()
    await orchestrator.result_of(task)
    assert read("visapi_worker_in_flight", which) == 0


async def test_a_task_is_answered_with_its_token_and_acknowledged(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.score", effect="keyed")
    async def score(applicant: Applicant) -> Score:
        return Score(applicant.age / 2)

    await serve(worker)
    task = await orchestrator.send("acme.score", {"age": 30})
    result = await orchestrator.result_of(task)
    assert result.outcome is Outcome.COMPLETED
    assert bytes(result.output.inline) == b'{"score":15.0}'
    assert (result.token, result.path, result.attempt) == (task.token, task.path, 1)
    await orchestrator.acknowledges_all("acme.score")


async def test_the_handler_is_given_the_effect_key(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.key", effect="keyed")
    async def key(_input: Any, task: TaskContext) -> str:
        return task.effect_key

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.key", effect_key="ef" * 32))
    assert bytes(result.output.inline) == b'"' + b"ef" * 32 + b'"'


async def test_a_result_says_whether_the_call_changed_nothing(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.look", effect="none")
    async def look(_input: Any) -> int:
        return 1

    @worker.function("acme.store", effect="keyed")
    async def store(wanted: str) -> Any:
        return ReadOnly(2) if wanted == "get" else 3

    await serve(worker)
    assert orchestrator.registrations[0].functions[0].effect is EffectClass.NONE
    seen = [
        await orchestrator.result_of(await orchestrator.send(function, wanted))
        for function, wanted in (("acme.look", None), ("acme.store", "get"), ("acme.store", "put"))
    ]
    assert [(bytes(result.output.inline), result.read) for result in seen] == [
        (b"1", True),
        (b"2", True),
        (b"3", False),
    ]


async def test_a_plain_function_runs_in_a_thread(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.plain", effect="keyed")
    def plain(number: int) -> int:
        return number + 1

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.plain", 41))
    assert bytes(result.output.inline) == b"42"


async def test_an_input_of_the_wrong_shape_faults_without_a_call(orchestrator, serve):
    worker = Worker()
    called = []

    @worker.function("acme.score")
    async def score(applicant: Applicant) -> None:
        called.append(applicant)

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.score", {"age": "old"}))
    assert result.outcome is Outcome.FAULTED
    assert result.error.type.endswith("/validation")
    assert "$.age" in result.error.detail
    assert called == []


async def test_a_schema_given_by_hand_validates_the_input_with_pointers(orchestrator, serve):
    worker = Worker()
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}

    @worker.function("acme.score", effect="keyed", input_schema=schema)
    async def score(applicant: dict[str, Any]) -> int:
        return applicant["age"]

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.score", {"age": "old"}))
    assert result.error.data["errors"][0]["pointer"] == "/age"


@pytest.mark.parametrize(
    ("effect", "raised", "outcome", "kind"),
    [
        ("keyed", ProblemError("bad", "no such city", status=422), Outcome.FAULTED, "validation"),
        ("once", PermanentFault("refused"), Outcome.FAULTED, "communication"),
        (
            "once",
            TaskFault(standard_error("communication", 404, title="Not found")),
            Outcome.FAULTED,
            "communication",
        ),
        ("keyed", UnknownFault("lost"), Outcome.FAULTED, "communication"),
        ("once", UnknownFault("lost"), Outcome.UNCERTAIN, "communication"),
        ("keyed", ZeroDivisionError(), Outcome.FAULTED, "runtime"),
        ("once", ZeroDivisionError(), Outcome.UNCERTAIN, "runtime"),
    ],
)
async def test_an_exception_becomes_the_outcome_its_kind_and_class_call_for(
    orchestrator, serve, effect, raised, outcome, kind
):
    worker = Worker()

    @worker.function("acme.fail", effect=effect, timeout_s=1)
    async def fail(_input: Any) -> None:
        raise raised

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.fail"))
    assert result.outcome is outcome
    assert result.error.type.endswith(f"/{kind}")


async def test_a_transient_fault_is_retried_inside_the_process(orchestrator, serve):
    worker = Worker()
    calls = []

    @worker.function("acme.flaky", effect="once")
    async def flaky(_input: Any) -> int:
        calls.append(1)
        if len(calls) < 3:
            raise TransientFault("not yet")
        return len(calls)

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.flaky"))
    assert bytes(result.output.inline) == b"3"
    assert len(orchestrator.claims) == 1


async def test_an_effect_somebody_else_holds_is_asked_for_again(orchestrator, serve):
    worker = Worker()
    calls = []

    @worker.function("acme.leased", claims=False)
    async def leased(_input: Any) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise Postponed(0.05)
        return "recorded"

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.leased"))
    assert bytes(result.output.inline) == b'"recorded"'


@pytest.mark.parametrize(("effect", "outcome"), [("keyed", Outcome.FAULTED), ("once", Outcome.UNCERTAIN)])
async def test_a_function_that_outlives_its_timeout_is_stopped(orchestrator, serve, effect, outcome):
    worker = Worker()

    @worker.function("acme.slow", effect=effect, timeout_s=0.1)
    async def slow(_input: Any) -> None:
        await asyncio.Event().wait()

    await serve(worker)
    result = await orchestrator.result_of(await orchestrator.send("acme.slow"))
    assert result.outcome is outcome
    assert result.error.type.endswith("/timeout")


async def test_a_task_whose_deadline_passed_is_not_run(orchestrator, serve):
    worker = Worker()
    called = []

    @worker.function("acme.late")
    async def late(_input: Any) -> None:
        called.append(1)

    await serve(worker)
    past = datetime.now(UTC) - timedelta(seconds=1)
    result = await orchestrator.result_of(await orchestrator.send("acme.late", deadline=past))
    assert (result.outcome, called) == (Outcome.FAULTED, [])


@pytest.mark.parametrize(
    ("verdict", "runs", "outcome"),
    [
        (ClaimVerdict.GRANTED, 1, Outcome.COMPLETED),
        (ClaimVerdict.UNCERTAIN, 0, Outcome.UNCERTAIN),
        (ClaimVerdict.GONE, 0, None),
    ],
)
async def test_a_once_function_starts_only_when_its_claim_is_granted(
    orchestrator, serve, verdict, runs, outcome
):
    worker = Worker()
    called = []

    @worker.function("acme.once")
    async def once(_input: Any) -> None:
        called.append(1)

    orchestrator.verdict = verdict
    await serve(worker)
    task = await orchestrator.send("acme.once")
    await orchestrator.acknowledges_all("acme.once")
    assert len(called) == runs
    assert len(orchestrator.claims) == 1
    if outcome is None:
        assert orchestrator.results == []
    else:
        assert (await orchestrator.result_of(task)).outcome is outcome


async def test_keyed_functions_and_those_with_their_own_ledger_do_not_claim(orchestrator, serve):
    worker = Worker()

    @worker.function("acme.keyed", effect="keyed")
    async def keyed(_input: Any) -> None: ...

    @worker.function("acme.ledger", claims=False)
    async def ledger(_input: Any) -> None: ...

    await serve(worker)
    for function in ("acme.keyed", "acme.ledger"):
        await orchestrator.result_of(await orchestrator.send(function))
    assert orchestrator.claims == []


async def test_a_large_output_travels_by_reference_and_a_large_input_is_fetched(
    orchestrator, serve, tmp_path
):
    worker = Worker()
    store = PayloadStore.open(f"file://{tmp_path}/artifacts")

    @worker.function("acme.double", effect="keyed")
    async def double(text: str) -> str:
        return text * 2

    await serve(worker, store)
    packed = await store.pack("default", msgspec.json.encode("x" * 100_000))
    assert packed.ref is not None
    result = await orchestrator.result_of(await orchestrator.send("acme.double", input=packed))
    assert result.output.ref is not None
    assert len(await store.unpack("default", result.output)) == 200_002
