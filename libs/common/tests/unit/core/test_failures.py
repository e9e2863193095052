"""Whose fault a failure is."""

import pytest

from visapi_common.core.errors import (
    ContentFault,
    Fault,
    OperatorFault,
    PermanentFault,
    ProblemError,
    TransientFault,
    UnknownFault,
)
from visapi_common.core.failures import failure_kind, failure_text, fault_of, kind_of_sqlstate, storable


@pytest.mark.parametrize(
    ("state", "sort"),
    [
        ("42501", "operator"),
        ("42P01", "operator"),
        ("42703", "operator"),
        ("53100", "operator"),
        ("53300", "operator"),
        ("57P01", "operator"),
        ("57014", "operator"),
        ("58030", "operator"),
        ("28P01", "operator"),
        ("3D000", "operator"),
        ("XX001", "operator"),
        ("ZZ999", "operator"),
        ("08006", "transient"),
        ("40001", "transient"),
        ("40P01", "transient"),
        ("55P03", "transient"),
        ("25006", "transient"),
        ("22021", "contents"),
        ("22P05", "contents"),
        ("22P02", "contents"),
        ("23505", "contents"),
        ("23514", "contents"),
        ("54000", "contents"),
        ("21000", "contents"),
        ("XX000", "contents"),
    ],
)
def test_a_code_of_postgresql_says_whose_fault_it_is(state: str, sort: str):
    assert kind_of_sqlstate(state) == sort


@pytest.mark.parametrize(
    ("error", "sort"),
    [
        (OperatorFault("no grant", sort="42"), "operator"),
        (MemoryError(), "operator"),
        (TransientFault("away"), "transient"),
        (UnknownFault("lost"), "transient"),
        (PermanentFault("too long"), "contents"),
        (ContentFault("NUL"), "contents"),
        (ProblemError("x", "y"), "contents"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "contents"),
        (RecursionError(), "contents"),
        (KeyError("zone"), "contents"),
        (OverflowError(), "contents"),
        (OSError(28, "No space left on device"), "operator"),
        (BlockingIOError(11, "cannot fork"), "operator"),
        (ConnectionResetError(), "transient"),
        (TimeoutError(), "transient"),
        (EOFError(), "transient"),
    ],
)
def test_an_error_of_any_kind_is_sorted(error: Exception, sort: str):
    assert failure_kind(error) == sort


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RecursionError(), ContentFault),
        (MemoryError(), OperatorFault),
        (OSError(28, "No space left on device"), OperatorFault),
        (ConnectionResetError(), TransientFault),
    ],
)
def test_callers_are_told_of_an_error_of_any_kind_as_a_fault(error: Exception, kind: type[Fault]):
    fault = fault_of(error)
    assert type(fault) is kind
    assert type(error).__name__ in str(fault)
    assert failure_kind(fault) == failure_kind(error)
    assert fault_of(fault) is fault


def test_what_is_told_of_a_failure_can_be_stored():
    text = failure_text(ValueError("a\0b\ud800" + "x" * 5000))
    assert text.startswith("ValueError: a\ufffdb?")
    assert len(text) == 1000
    text.encode()
    assert storable("ok", 10) == "ok"
