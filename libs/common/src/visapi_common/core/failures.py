"""Whose fault a failure is: the pure rule that every loop over the work of many follows (DESIGN 3.12)."""

from typing import Final, Literal

from visapi_common.core.errors import ContentFault, Fault, OperatorFault, PermanentFault, TransientFault

FailureKind = Literal["transient", "operator", "contents"]
"""`transient` mends itself; `operator` waits for whoever operates the system; `contents` is the fault of one
row or message, which is set aside so that its neighbours go on.
"""

_TRANSIENT: Final = frozenset({"08", "25", "40", "55"})
"""SQLSTATE classes (PostgreSQL, appendix A) that mend themselves; 25006 is a standby promoted later."""
_CONTENTS: Final = frozenset({"0A", "21", "22", "23", "2F", "38", "39", "54", "P0", "XX000"})
"""Data, cardinality, constraints, limits of one row (54000: a text too long for an index). XX000 is said of
values too large for memory and of conversions that no other code describes.
"""


def kind_of_sqlstate(state: str) -> FailureKind:
    """What a refusal by PostgreSQL means. An unknown class is the operator's: no run is charged for it."""
    if state[:2] in _TRANSIENT:
        return "transient"
    return "contents" if state[:2] in _CONTENTS or state in _CONTENTS else "operator"


def failure_kind(error: Exception) -> FailureKind:
    """What a failure in a loop means.

    What is no fault of the world is an error that contents provoked, in a decoder or in our own code: of
    one item, because the same code serves its neighbours. A connection that breaks is nobody's contents, nor
    is memory, a disk or a table of processes that is full.
    """
    if isinstance(error, OperatorFault | MemoryError):
        return "operator"
    if isinstance(error, Fault):
        return "contents" if isinstance(error, PermanentFault) else "transient"
    if isinstance(error, OSError | EOFError):
        return "transient" if isinstance(error, TimeoutError | ConnectionError | EOFError) else "operator"
    return "contents"


def operator_fault_kind(error: Exception) -> str:
    """The label of an operator's fault."""
    if isinstance(error, OperatorFault):
        return error.sort
    return "memory" if isinstance(error, MemoryError) else "os"


def fault_of(error: Exception) -> Fault:
    """A failure of any kind as the fault that callers are told of."""
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
    """A failure in words that PostgreSQL can store, of bounded length."""
    text = str(error) or type(error).__name__
    if not isinstance(error, Fault):
        text = f"{type(error).__name__}: {text}"
    return storable(text, most)


def storable(text: str, most: int) -> str:
    """`text` without what PostgreSQL refuses in a text: NUL and lone surrogates."""
    clean = text[:most].replace("\0", "\ufffd")
    return clean.encode("utf-8", "replace").decode("utf-8")
