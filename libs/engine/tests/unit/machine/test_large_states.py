"""A state without its large values is still a state: who only asks what is open need not fetch them."""

from typing import Any

import msgspec
import pytest

from visapi_common.contracts.payloads import INLINE_LIMIT
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.large_values import join, split
from visapi_engine.machine.state import (
    STRUCTURE,
    ApproveFrame,
    CallFrame,
    DoFrame,
    ExtendFrame,
    Failed,
    ForFrame,
    ForkFrame,
    Frame,
    ItemFailure,
    ListenFrame,
    MapFrame,
    Pending,
    ResumePoint,
    State,
    TryFrame,
    decode_state,
    encode_state,
)

ROWS: Any = [{"id": n, "name": "somebody"} for n in range(4000)]
DENSE: Any = [1] * 1_100_000
TEXT: Any = "x" * 100_000


def state_of(value: Any) -> State:
    """A state that holds the value wherever it can hold one."""
    raw = msgspec.Raw(msgspec.json.encode(value))
    error = WorkflowError("t", 500, detail="y" * 100_000, data=value)
    frames: dict[str, Frame] = {
        "": DoFrame(input=value, raw=value),
        "/call": CallFrame(attempt=1, arguments=raw),
        "/approve": ApproveFrame(approval="a", shown=raw, choices=["yes"], asked=1),
        "/fork": ForkFrame(outputs={"a": value, "b": value}, skipped=["c"]),
        "/try": TryFrame(error=error, memo={"a": value}, attempts={"a": 1}),
        "/for": ForFrame(items=raw, count=1),
        "/listen": ListenFrame(
            expected=[{"a": value}],
            correlations={"a": value},
            consumed=[value, value],
            queue=[value],
            current=value,
        ),
        "/map": MapFrame(
            count=1,
            first=1,
            tolerated=1,
            width=1,
            within=1,
            waiting=[raw, raw],
            done={1: raw, 2: raw},
            failed=[ItemFailure(1, error)],
        ),
        "/extend": ExtendFrame(output=value),
    }
    agenda = [Pending("/do/0/a", "/do/0/a", "", value)]
    failed = Failed("/do/0/a", "/do/0/a", "", "enter", value, value)
    return State(
        run="1",
        started=1,
        status=RunStatus.FAULTED,
        frames=frames,
        context={"a": value},
        input=value,
        agenda=agenda,
        resume=ResumePoint(failed, 1, frames, agenda),
        attributes={"a": value},
    )


@pytest.mark.parametrize("value", [ROWS, DENSE, TEXT], ids=["rows", "dense", "text"])
def test_a_state_without_its_large_values_can_be_read_and_has_everything_open(value: Any):
    whole = encode_state(state_of(value))
    small, taken = split(whole, INLINE_LIMIT, STRUCTURE)
    assert len(small) <= INLINE_LIMIT
    assert join(small, taken) == whole
    left, full = decode_state(small), decode_state(whole)
    assert list(left.frames) == list(full.frames)
    assert left.resume is not None
    assert left.resume.failed.pointer == "/do/0/a"
    assert list(left.resume.frames) == list(full.frames)
    assert [step.pointer for step in left.agenda] == ["/do/0/a"]


def test_many_open_tasks_stay_in_the_row():
    frames: dict[str, Frame] = {
        f"/do/{n}": CallFrame(attempt=1, arguments=msgspec.Raw(b"1")) for n in range(9000)
    }
    whole = encode_state(State(run="1", started=1, frames=frames))
    assert split(whole, INLINE_LIMIT, STRUCTURE) == (whole, [])
