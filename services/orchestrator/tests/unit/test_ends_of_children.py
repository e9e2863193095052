"""What a run's end tells the one that waits for it."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from visapi_common.contracts.engine_messages import ChildEnd, InboxBody, InboxKind, WorkflowRef
from visapi_common.contracts.runs import RunStatus
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.transitions.rules.related_writes import end_of
from visapi_orchestrator.transitions.rules.snapshot import InboxRow, RunSnapshot

CHILD, PARENT = UUID(int=1), UUID(int=2)


def told(*, knew: int, asked: tuple[int, ...]) -> tuple[str, int]:
    """The key and the number under which the end is told of a run that knew of one asking and was told others."""
    rows = tuple(
        InboxRow(
            f"parent:{n}",
            InboxKind.RETRY,
            msgspec.json.encode(InboxBody("run:p", parent=PARENT, resume_count=n)),
        )
        for n in asked
    )
    snapshot = RunSnapshot(
        run=CHILD,
        tenant="t",
        workflow=WorkflowRef("n", "w", "1.0.0"),
        program="00",
        status=RunStatus.RUNNING,
        revision=1,
        seq=1,
        state=b"{}",
        trace=None,
        priority=5,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        inbox=rows,
        parent=PARENT,
        parent_path="/do/0/sub",
    )
    answer = Answer(CHILD, RunStatus.COMPLETED, b"{}", 2, 2, ended=True, resume_count=knew)
    telling = end_of(snapshot, answer, None)
    assert telling is not None
    return telling.key, msgspec.json.decode(telling.body, type=ChildEnd).resume_count


@pytest.mark.parametrize(
    ("knew", "asked", "number"), [(0, (), 0), (1, (), 1), (0, (1,), 1), (1, (2, 3), 3), (3, (2,), 3)]
)
def test_an_end_knows_of_every_asking_that_it_consumes(
    knew: int, asked: tuple[int, ...], number: int
) -> None:
    suffix = f":{number}" if number else ""
    assert told(knew=knew, asked=asked) == (f"child:{CHILD}{suffix}", number)
