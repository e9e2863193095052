"""Flow control of a run before it begins: its keys and its priority, evaluated on its input."""

from typing import Any

import msgspec

from visapi_engine.compile.flow_control import PRIORITY_MAX
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.faults import expression_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.state import Admission
from visapi_engine.model.program import Settings, Template

PRIORITY = 5
KEY_MAX = 512
"""Bytes of a key as JSON text."""
_AT = "/document/metadata/visapi"


def admission_of(draft: Draft, root: Task, settings: Settings, raw: Any) -> Admission | None:
    """None without flow control. Raises `TaskFault` if an expression gives no valid key or priority."""
    concurrency, rate, priority = settings.concurrency, settings.rate_limit, settings.priority
    if concurrency is None and rate is None and priority is None:
        return None
    found = Admission(priority=_priority(draft, root, priority, raw))
    if concurrency is not None:
        found = msgspec.structs.replace(
            found,
            key=_key(draft, root, concurrency.key, raw, f"{_AT}/concurrency/key"),
            limit=concurrency.limit,
            on_limit=concurrency.on_limit,
        )
    if rate is not None:
        found = msgspec.structs.replace(
            found,
            rate_key=_key(draft, root, rate.key, raw, f"{_AT}/rateLimit/key"),
            rate_limit=rate.limit,
            period_ms=rate.period_ms,
        )
    return found


def _key(draft: Draft, root: Task, template: Template | None, raw: Any, at: str) -> str:
    if template is None:
        return ""
    text = msgspec.json.encode(evaluate(draft, template, root, raw, input=raw), order="sorted")
    if len(text) > KEY_MAX:
        raise expression_fault(at, f"the key has more than {KEY_MAX} bytes; hash it or choose a shorter one")
    return text.decode()


def _priority(draft: Draft, root: Task, template: Template | None, raw: Any) -> int:
    if template is None:
        return PRIORITY
    found = evaluate(draft, template, root, raw, input=raw)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= PRIORITY_MAX:
        said = msgspec.json.encode(found).decode()[:60]
        detail = f"the priority must be a whole number from 0 to {PRIORITY_MAX}, it is {said}"
        raise expression_fault(f"{_AT}/priority", detail)
    return found
