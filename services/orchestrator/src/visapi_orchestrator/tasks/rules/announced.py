"""Whether functions that a worker announces are accepted. Pure."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.wire_text import function_name_flaw
from visapi_engine.model.catalog import ENGINE_FUNCTIONS

_TENANT: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VERSION: Final = re.compile(r"[A-Za-z0-9.+_-]{1,64}")
_SHOWN_MAX: Final = 100
_FUNCTIONS_MAX: Final = 256
_NAMES_MAX: Final = 1000
_CONCURRENCY_MAX: Final = 10_000


def refusal_of(owner: str, functions: Sequence[FunctionSpec]) -> str | None:
    """Why functions of an owner are refused; None when they are not. Names are those of NATS subjects."""
    if owner != subjects.BUILTIN and not _TENANT.fullmatch(owner):
        return f"{owner!r} is no tenant"
    if len(functions) > _FUNCTIONS_MAX:
        return f"{len(functions)} functions at once; at most {_FUNCTIONS_MAX} may be announced together"
    for function in functions:
        if function.name in ENGINE_FUNCTIONS:
            return f"{function.name} is carried out by the engine itself; no worker may announce it"
        flaw = _foreign(owner, function.name) or function_name_flaw(function.name)
        if flaw is not None:
            return flaw
        if not _VERSION.fullmatch(function.version):
            return f"{function.name}: {function.version[:_SHOWN_MAX]!r} is no version"
        if not 1 <= function.concurrency <= _CONCURRENCY_MAX:
            return (
                f"{function.name}: concurrency is {function.concurrency}, it must be 1 to {_CONCURRENCY_MAX}"
            )
    return None


def refusal_of_names(owner: str, known: AbstractSet[str], functions: Sequence[FunctionSpec]) -> str | None:
    """Why a tenant may have no further functions; None when it may."""
    names = known | {function.name for function in functions}
    if len(names) > _NAMES_MAX:
        return f"{owner} would have {len(names)} functions; a tenant has at most {_NAMES_MAX}"
    return None


def _foreign(owner: str, name: str) -> str | None:
    """Why the name is reserved for another owner; None when it is not."""
    family = subjects.family_of(name)
    if owner == subjects.BUILTIN and family not in subjects.BUILTIN_FAMILIES:
        return f"{name} is no function of VisAPI's own; {owner} may not announce it"
    if owner != subjects.BUILTIN and family in subjects.RESERVED_FAMILIES:
        return f"{name}: names that begin with {family}. are VisAPI's own; choose another"
    return None
