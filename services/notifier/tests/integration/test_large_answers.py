"""Large answers in the notifier's own bounded processes, with the user and the limits that they really have."""

import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from visapi_common.contracts.payloads import Encoded
from visapi_common.core.outbound import Inbound
from visapi_common.runtime.bounded_processes import Bounds
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.channels.http.bounded import ANSWER, BoundedAnswers
from visapi_notifier.channels.http.received_response import ReceivedResponse
from visapi_notifier.channels.http.rules import HttpInput, build_request
from visapi_notifier.delivery.effects import Time
from visapi_notifier.opening import open_private
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://api.example/large"
SECRET = "s3cret-v4lue-of-a-tenant"
ROWS: list[Any] = [{"id": n, "name": f"row {n}", "tags": ["a", "b"]} for n in range(5_000)]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
async def answers(metrics: Metrics) -> AsyncIterator[BoundedAnswers]:
    processes = open_private(metrics)
    yield BoundedAnswers(processes)
    await processes.close()


def masking(*values: str) -> Mask:
    mask = Mask()
    mask.add(values)
    return mask


async def read(
    answers: BoundedAnswers, body: bytes, mask: Mask, *, left_s: float = math.inf, **more: Any
) -> Reading:
    wanted = HttpInput("get", URL, output=more.get("output", "content"))
    kind = more.get("kind", "application/json")
    inbound = Inbound(more.get("status", 200), [("content-type", kind)], body, URL, more.get("cut"))
    received = ReceivedResponse(wanted, build_request(wanted), inbound, NOW, mask, Time(30.0, left_s=left_s))
    return await answers.read("a", received)


def jobs(metrics: Metrics, outcome: str) -> float:
    return metrics.bounded_jobs.labels(job="answer", outcome=outcome)._value.get()


def value_of(reading: Reading) -> Any:
    assert isinstance(reading, Sent), reading
    output = reading.output
    return msgspec.json.decode(output.json if isinstance(output, Encoded) else msgspec.json.encode(output))


async def test_a_large_answer_is_read_in_a_process(answers: BoundedAnswers, metrics: Metrics) -> None:
    assert value_of(await read(answers, json.dumps(ROWS).encode(), Mask())) == ROWS
    assert jobs(metrics, "done") == 1
    assert value_of(await read(answers, b'{"small": true}', Mask())) == {"small": True}
    assert jobs(metrics, "done") == 1


@pytest.mark.parametrize("size", [1, 5_000])
@pytest.mark.parametrize("output", ["content", "response"])
async def test_secrets_are_taken_out_in_a_process(
    answers: BoundedAnswers, metrics: Metrics, size: int, output: str
) -> None:
    body = json.dumps([*ROWS[:size], {"leak": f"a {SECRET} b", SECRET: [SECRET.upper()]}]).encode()
    shown = value_of(await read(answers, body, masking(SECRET), output=output))
    content = shown["content"] if output == "response" else shown
    assert content == [*ROWS[:size], {"leak": "a *** b", "***": ["***"]}]
    assert jobs(metrics, "done") == 1


async def test_a_large_refusal_shows_its_beginning_without_secrets(answers: BoundedAnswers) -> None:
    reading = await read(
        answers, (f"no, {SECRET}! " * 20_000).encode(), masking(SECRET), kind="text/plain", status=409
    )
    assert isinstance(reading, Refused)
    assert (reading.error.status, reading.error.data["truncated"]) == (409, True)
    assert SECRET not in msgspec.json.encode(reading.error).decode()


async def test_what_is_no_json_is_an_error(answers: BoundedAnswers) -> None:
    reading = await read(answers, b"[" + b"1," * 100_000, Mask())
    assert isinstance(reading, Refused)
    assert (reading.error.status, reading.error.title) == (502, "Unusable response")


async def test_what_needs_more_than_it_may_is_an_error_of_its_own_task_only(metrics: Metrics) -> None:
    small = msgspec.structs.replace(ANSWER, bounds=Bounds(cpu_ms=300, files=8))
    processes = open_private(metrics)
    answers = BoundedAnswers(processes, small)
    try:
        dear = json.dumps([f"{SECRET} {n}" for n in range(100_000)]).encode()
        reading = await read(answers, dear, masking(SECRET))
        assert isinstance(reading, Refused)
        assert (reading.error.status, reading.error.type.rpartition("/")[2]) == (502, "communication")
        assert "more than 0.3 s of CPU time; ask for less" in str(reading.error.detail)
        assert value_of(await read(answers, json.dumps(ROWS).encode(), Mask())) == ROWS
    finally:
        await processes.close()


async def test_a_task_whose_time_is_over_before_its_answer_is_read_has_a_timeout(
    answers: BoundedAnswers,
) -> None:
    reading = await read(answers, json.dumps(ROWS).encode(), Mask(), left_s=0.0)
    assert isinstance(reading, Refused)
    assert (reading.error.status, reading.error.type.rpartition("/")[2]) == (408, "timeout")


async def test_ten_mebibytes_with_secrets_everywhere_stay_within_the_limits(answers: BoundedAnswers) -> None:
    body = b"[" + b",".join([b'{"a":1}'] * 1_300_000) + b',"' + SECRET.encode() + b'"]'
    shown = value_of(await read(answers, body, masking(SECRET, "another-one-of-them")))
    assert (len(shown), shown[-1]) == (1_300_001, "***")
