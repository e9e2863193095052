"""Every message of the wire survives a roll: members of a later release are ignored, its formats are recognised."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.contracts import engine_messages as engine
from visapi_common.contracts import task_messages as tasks
from visapi_common.contracts.foreign import VALUE_DEPTH_MAX, NewerFormat, Reader
from visapi_common.contracts.formats import NEWEST

KINDS = [
    engine.Trigger,
    engine.TaskResult,
    engine.InboxHint,
    engine.TaskHeartbeat,
    engine.InboxBody,
    engine.ChildEnd,
    engine.ApprovalDecided,
    engine.LiveUpdate,
    tasks.TaskMessage,
    tasks.Registration,
    tasks.Registered,
    tasks.WorkerSlots,
    tasks.Claim,
    tasks.ClaimAnswer,
    tasks.DeadLetter,
]
SAMPLES = {
    engine.Trigger: {
        "run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "tenant": "default",
        "workflow": {"namespace": "n", "name": "w", "version": "1.0.0"},
        "program": "ab",
        "input": {"inline": 1},
        "created_at": "2026-11-24T09:30:00Z",
    },
    engine.TaskResult: {
        "run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "path": "/do/0/a",
        "attempt": 1,
        "token": "5e",
        "outcome": "completed",
    },
    engine.InboxHint: {"run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d"},
    engine.TaskHeartbeat: {
        "run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "path": "/do/0/a",
        "attempt": 1,
        "token": "5e",
    },
    engine.InboxBody: {"actor": "key:1"},
    engine.ChildEnd: {
        "path": "/do/0/a",
        "child": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "status": "completed",
    },
    engine.ApprovalDecided: {
        "path": "/do/0/a",
        "approval": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "decision": "approve",
        "by": "mia",
    },
    engine.LiveUpdate: {"run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d", "seq": 1, "status": "running"},
    tasks.TaskMessage: {
        "run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "path": "/do/0/a",
        "attempt": 1,
        "tenant": "default",
        "function": "pdf.render",
        "workflow": {"namespace": "n", "name": "w", "version": "1.0.0"},
        "name": "a",
        "pointer": "/do/0/a",
        "input": {"inline": {}},
        "effect_key": "k",
        "token": "5e",
        "reply": "visapi.engine.0.result",
    },
    tasks.Registration: {"tenant": "default", "worker": "w-1", "functions": [{"name": "acme.echo"}]},
    tasks.Registered: {"consumers": {"acme.echo": "fn"}},
    tasks.WorkerSlots: {"worker": "w-1", "slots": {"pdf.render": 2}},
    tasks.Claim: {
        "run": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
        "path": "/do/0/a",
        "attempt": 1,
        "token": "5e",
        "worker": "w-1",
    },
    tasks.ClaimAnswer: {"verdict": "granted"},
    tasks.DeadLetter: {"service": "notifier", "reason": "poison", "detail": "x"},
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def test_every_message_with_a_version_has_a_sample():
    versioned = {
        kind
        for module in (engine, tasks)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and "v" in kind.__struct_fields__
    }
    assert versioned == set(KINDS) == set(SAMPLES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(
    extra=st.dictionaries(st.text(min_size=1, max_size=8).map(lambda name: f"x{name}"), VALUES, max_size=4)
)
def test_members_that_a_reader_does_not_know_change_nothing(
    kind: type[msgspec.Struct], extra: dict[str, object]
):
    plain = Reader(kind, depth_max=VALUE_DEPTH_MAX, nul=True, newest=NEWEST.messages)
    body = {**extra, **SAMPLES[kind], "v": NEWEST.messages}
    read = plain(msgspec.json.encode(body))
    assert read == plain(msgspec.json.encode({**SAMPLES[kind], "v": NEWEST.messages}))
    assert isinstance(read, kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(
    version=st.integers(NEWEST.messages + 1, 2**62),
    without=st.booleans(),
    extra=st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=4),
)
def test_a_later_format_is_recognised_whatever_else_it_holds(
    kind: type[msgspec.Struct], version: int, *, without: bool, extra: dict[str, object]
):
    reader = Reader(kind, depth_max=VALUE_DEPTH_MAX, nul=True, newest=NEWEST.messages)
    known = {} if without else SAMPLES[kind]
    assert isinstance(reader(msgspec.json.encode({**known, **extra, "v": version})), NewerFormat)
