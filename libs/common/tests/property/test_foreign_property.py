"""Mutated messages: each of them is a value or unreadable, and what is read can be used."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.contracts.engine_messages import (
    InboxHint,
    LiveUpdate,
    Outcome,
    TaskHeartbeat,
    TaskResult,
    Trigger,
    WorkflowRef,
)
from visapi_common.contracts.foreign import Reader, Unreadable, deeper_than, scraps
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.task_messages import (
    Claim,
    ClaimAnswer,
    ClaimVerdict,
    DeadLetter,
    EffectClass,
    FunctionSpec,
    Registered,
    Registration,
    TaskMessage,
)

_RUN = UUID("019467ef-2a3c-7d4e-8f5a-0123456789ab")
_REF = WorkflowRef("demo", "visa", "1.0.0")
_NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_ERROR = WorkflowError("https://example.com/errors/x", 500, "t", "d", "/do/0", {"a": [1, {"b": None}]})

MESSAGES: list[msgspec.Struct] = [
    Trigger(_RUN, "t", _REF, "ab" * 32, inline(b'{"a": [1.5, "x"]}'), _NOW, trace="00-a-b-01"),
    TaskResult(_RUN, "/do/0", 1, "ff" * 32, Outcome.COMPLETED, inline(b'[{"b": 1}]'), None, _NOW, _NOW, "w"),
    TaskResult(_RUN, "/do/0", 1, "ff" * 32, Outcome.FAULTED, None, _ERROR, _NOW, _NOW, "w"),
    InboxHint(_RUN),
    TaskHeartbeat(_RUN, "/do/0", 1, "ff" * 32),
    Claim(_RUN, "/do/0", 1, "ff" * 32, "w.1"),
    ClaimAnswer(ClaimVerdict.GRANTED),
    Registration("t", "w", [FunctionSpec("f", "1", EffectClass.KEYED, 5.0, "d", {"type": "object"})]),
    Registered({"f": "fn-t-f"}, "no"),
    LiveUpdate(_RUN, 3, "running"),
    DeadLetter("notifier", "poison", "d", "t", _RUN, "/do/0", 1, "f", msgspec.Raw(b"{}")),
    TaskMessage(
        _RUN,
        "/do/0",
        1,
        "t",
        "f",
        _REF,
        "n",
        "/do/0",
        inline(b"{}"),
        "ee" * 32,
        "ff" * 32,
        "r",
        deadline=_NOW,
    ),
]

_READERS: dict[type[Any], Reader[Any]] = {type(one): Reader(type(one)) for one in MESSAGES}

HOSTILE: list[bytes] = [
    b"\xe9",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\0",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b'"',
    b"\\",
    b"-1",
    b"-0",
    b"1e999",
    b"9" * 400,
    b"9" * 5_000,
    b"null",
    b"[" * 70,
    b'{"a":' * 70,
    b"[" * 5_000,
    b"[" * 990 + b"]" * 990,
    b"0001-01-01T00:00:00+23:59",
    b"\xf0\x9f\x98\x80",
]


@st.composite
def mutations(draw: st.DrawFn, messages: list[bytes]) -> bytes:
    """A message with bytes cut out, put in, repeated, or replaced by hostile ones, once to four times."""
    data = draw(st.sampled_from(messages))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 40)))
        piece = draw(st.one_of(st.sampled_from(HOSTILE), st.binary(max_size=8), st.just(data[at:end] * 3)))
        data = data[:at] + piece + data[draw(st.sampled_from([at, end])) :]
    return data


@given(mutations([msgspec.json.encode(one) for one in MESSAGES]), st.sampled_from(MESSAGES))
def test_a_mutated_message_is_a_value_or_unreadable(data: bytes, kind: msgspec.Struct) -> None:
    read = _READERS[type(kind)](data)

    if isinstance(read, Unreadable):
        assert read.reason.isascii()
        assert read.reason.isprintable()
        assert len(read.reason) <= 200
    else:
        assert isinstance(read, type(kind))
        msgspec.json.encode(read)


_json = st.recursive(
    st.none() | st.text(max_size=4) | st.sampled_from(["[", "]{", '"[', "\\["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=60,
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(_json, st.integers(0, 200))
def test_the_depth_of_a_document_is_that_of_its_value(value: Any, wrapped: int) -> None:
    data = b"[" * wrapped + msgspec.json.encode(value) + b"]" * wrapped
    levels = wrapped + _depth(value)

    assert not deeper_than(data, levels)
    assert levels == 0 or deeper_than(data, levels - 1)


@given(st.binary(max_size=200))
def test_scraps_never_raise(data: bytes) -> None:
    for scrap in scraps(data + b'{"run": "x"}' + data, "run", "path"):
        scrap.decode()
