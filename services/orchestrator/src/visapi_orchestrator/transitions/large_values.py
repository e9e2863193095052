"""State and history stay small: their large values lie in the artifact store, around a transition.

Values are stored before the rows that refer to them are written. A run faults when values of its state cannot
be read, as when its input cannot be read; the stored parts of the state are kept.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import msgspec

from visapi_common.contracts.payloads import INLINE_LIMIT
from visapi_common.contracts.problems import standard_error
from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_common.core.large_values import Envelope, Extracted, Structure, join, opened, sealed, split
from visapi_engine.machine import history, state
from visapi_orchestrator.transitions.ports import Payloads
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot, UnreadableState
from visapi_orchestrator.transitions.rules.step import Step

_LONG = 1024 * 1024
_T = TypeVar("_T")
_P = ParamSpec("_P")


class LargeValues:
    """See the module's docstring. Small documents are left as they are."""

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads

    async def restore(self, loaded: Mapping[UUID, RunSnapshot]) -> dict[UUID, RunSnapshot]:
        """Snapshots with their whole states, or with the readable rest. Raises `TransientFault`."""
        snapshots = dict(loaded)
        found = [(one, envelope) for one in snapshots.values() if (envelope := _envelope(one)) is not None]
        if found:
            whole = await together(self._whole(one, envelope) for one, envelope in found)
            snapshots.update((one.run, one) for one in whole)
        return snapshots

    async def _whole(self, snapshot: RunSnapshot, envelope: Envelope) -> RunSnapshot:
        try:
            values = await together(
                self._payloads.unpack(snapshot.tenant, large.payload) for large in envelope.large
            )
            pairs = zip(envelope.large, values, strict=True)
            taken = [Extracted(large.at, large.n, value) for large, value in pairs]
            whole = await _aside(sum(map(len, values)), join, bytes(envelope.of), taken)
        except (PermanentFault, ProblemError, ValueError) as fault:
            return _what_is_left(snapshot, envelope, str(fault))
        return msgspec.structs.replace(snapshot, state=whole)

    async def store(self, steps: Sequence[Step]) -> None:
        """Give each step the small documents that its rows take. Raises `Fault`: nothing is written then."""
        large = [step for step in steps if _is_large(step)]
        if large:
            await together(self._store(step) for step in large)

    async def _store(self, step: Step) -> None:
        tenant, answer = step.snapshot.tenant, step.answer
        try:
            step.small_items = await self._small(tenant, answer.items_json, history.STRUCTURE)
            if step.snapshot.unreadable is not None:
                step.small_state = step.snapshot.unreadable.stored
            elif answer.retryable or not answer.ended:
                step.small_state = await self._small(tenant, answer.state, state.STRUCTURE)
        except ProblemError as problem:
            step.refused = problem.detail

    async def _small(self, tenant: str, document: bytes, structure: Structure) -> bytes:
        if len(document) <= INLINE_LIMIT:
            return document
        small, taken = await _aside(len(document), split, document, INLINE_LIMIT, structure)
        if not taken:
            return document
        values = list({one.value for one in taken})
        packed = await together(self._payloads.pack(tenant, value) for value in values)
        return sealed(small, taken, dict(zip(values, packed, strict=True)))


async def together(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results; once all have ended, the first fault is raised."""
    done = await asyncio.gather(*work, return_exceptions=True)
    results: list[_T] = []
    for result in done:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


async def _aside(size: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Large documents are processed in a thread, so that other runs go on."""
    return await asyncio.to_thread(work, *args, **kwargs) if size > _LONG else work(*args, **kwargs)


def _is_large(step: Step) -> bool:
    answer = step.answer
    if step.snapshot.unreadable is not None or len(answer.items_json) > INLINE_LIMIT:
        return True
    return len(answer.state) > INLINE_LIMIT


def _envelope(snapshot: RunSnapshot) -> Envelope | None:
    return None if snapshot.state is None else opened(snapshot.state)


def _what_is_left(snapshot: RunSnapshot, envelope: Envelope, detail: str) -> RunSnapshot:
    """A run that can only end; the rest of its state names its open work."""
    assert snapshot.state is not None
    rest: bytes | None = bytes(envelope.of)
    try:
        state.decode_state(bytes(envelope.of))
    except msgspec.DecodeError:
        rest = None
    error = standard_error("runtime", 500, title="Unreadable state", detail=detail)
    return msgspec.structs.replace(snapshot, state=rest, unreadable=UnreadableState(snapshot.state, error))
