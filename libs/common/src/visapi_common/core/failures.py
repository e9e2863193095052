"""Classifies failures by who must act: nobody, the operator, or the owner of one item. Pure.

Every loop that handles items of many tenants decides with it (`runtime/isolation.py`).
"""

from typing import Final, Literal

from visapi_common.core.errors import ContentFault, Fault, OperatorFault, PermanentFault, TransientFault

FailureKind = Literal["transient", "operator", "contents"]
"""`transient` failures pass by themselves; `operator` failures need the operator; `contents` failures belong
to one row or message, which is quarantined so that others continue.
"""

_TRANSIENT: Final = frozenset({"08", "25", "40", "55"})
"""SQLSTATE classes (PostgreSQL, appendix A) of transient failures; 25006 is a standby that is promoted
later.
"""
_CONTENTS: Final = frozenset({"0A", "21", "22", "23", "2F", "38", "39", "54", "P0", "XX000"})
"""Data, cardinality, constraints, limits of one row (54000: a text too long for an index). PostgreSQL reports
XX000 for values too large for memory and for conversions without a code of their own.
"""

OPERATOR_FAULT_KINDS: Final = ("42", "53", "57", "58", "nats", "artifacts", "keys", "memory", "os")
"""The metric labels of operator failures to expect. PostgreSQL may report further classes."""


def kind_of_sqlstate(state: str) -> FailureKind:
    """The kind of a PostgreSQL error. An unknown class is an operator failure, so that no run faults because
    of it.
    """
    if state[:2] in _TRANSIENT:
        return "transient"
    return "contents" if state[:2] in _CONTENTS or state in _CONTENTS else "operator"


def failure_kind(error: Exception) -> FailureKind:
    """The kind of a failure in a loop.

    An exception that is no fault was caused by contents, in a decoder or in our own code, and belongs to one
    item, because the same code serves the others. A broken connection, and full memory, disks or process
    tables, are not caused by contents.
    """
    if isinstance(error, OperatorFault | MemoryError):
        return "operator"
    if isinstance(error, Fault):
        return "contents" if isinstance(error, PermanentFault) else "transient"
    if isinstance(error, OSError | EOFError):
        return "transient" if isinstance(error, TimeoutError | ConnectionError | EOFError) else "operator"
    return "contents"


def operator_fault_kind(error: Exception) -> str:
    """The metric label of an operator failure."""
    if isinstance(error, OperatorFault):
        return error.sort
    return "memory" if isinstance(error, MemoryError) else "os"


def fault_of(error: Exception) -> Fault:
    """Any failure as a fault for callers."""
    if isinstance(error, Fault):
        return error
    match failure_kind(error):
        case "operator":
            return OperatorFault(failure_text(error), sort=operator_fault_kind(error))
        case "transient":
            return TransientFault(failure_text(error))
        case "contents":
            return ContentFault(failure_text(error))


def failure_text(error: BaseException, most: int = 1000) -> str:
    """The text of a failure, storable by PostgreSQL and of bounded length."""
    text = str(error) or type(error).__name__
    if not isinstance(error, Fault):
        text = f"{type(error).__name__}: {text}"
    return storable(text, most)


def storable(text: str, most: int) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL refuses."""
    clean = text[:most].replace("\0", "\ufffd")
    return clean.encode("utf-8", "replace").decode("utf-8")
