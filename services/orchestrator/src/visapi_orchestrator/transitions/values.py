"""Reads and stores the large values of a transition in the artifact store; small values stay inline.

A reference that cannot be read is the caller's or the worker's failure, not ours: the task faults.
"""

import msgspec

from visapi_common.contracts.engine_messages import InboxKind, Outcome, TaskResult
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload
from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.ports import Payloads
from visapi_orchestrator.transitions.rules.machine_events import INPUT, Values, child_end, inbox_body
from visapi_orchestrator.transitions.rules.snapshot import InboxRow, RunSnapshot

_encode = msgspec.json.Encoder().encode


class ValueReader:
    """Fetches the values of events, and stores the values that are too large for rows."""

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads

    async def resolve(self, messages: RunMessages, snapshot: RunSnapshot) -> Values | WorkflowError:
        """The values of one run's events; an error when its input cannot be read, which faults it."""
        values: Values = {}
        if snapshot.state is None:
            if snapshot.input is None:
                return _unreadable("input", "the run's stored input is no payload")
            try:
                values[INPUT] = await self._value(snapshot.tenant, snapshot.input)
            except (PermanentFault, ProblemError) as fault:
                return _unreadable("input", str(fault))
        for position, result in enumerate(messages.results):
            if result.output is not None:
                try:
                    values[id(result)] = await self._value(snapshot.tenant, result.output)
                except (PermanentFault, ProblemError) as fault:
                    messages.results[position] = _faulted(result, _unreadable("output", str(fault)))
        return await self._resolve_inbox(values, snapshot) or values

    async def _resolve_inbox(self, values: Values, snapshot: RunSnapshot) -> WorkflowError | None:
        """The values that inbox rows refer to; an error where the input of a retried run cannot be read."""
        for row in snapshot.inbox:
            if row.kind is InboxKind.CHILD:
                await self._resolve_child(values, row, snapshot)
            elif row.kind is InboxKind.RETRY:
                body = inbox_body(row)
                try:
                    if body is not None and body.input is not None:
                        values[id(row)] = await self._value(snapshot.tenant, body.input)
                except (PermanentFault, ProblemError) as fault:
                    return _unreadable("input", str(fault))
        return None

    async def _resolve_child(self, values: Values, row: InboxRow, snapshot: RunSnapshot) -> None:
        """A child's output; `null` where the artifact store has lost it."""
        end = child_end(row)
        if end is not None and end.output is not None:
            try:
                values[id(row)] = await self._value(snapshot.tenant, end.output)
            except (PermanentFault, ProblemError):
                values[id(row)] = b"null"

    async def _value(self, tenant: str, payload: Payload) -> bytes:
        if payload.inline is not msgspec.UNSET:
            return bytes(payload.inline)
        return await self._payloads.unpack(tenant, payload)

    async def travelling(self, raw: bytes, snapshot: RunSnapshot) -> Payload:
        """The input of a task or of a child run, as messages carry it."""
        if len(raw) <= INLINE_LIMIT:
            return Payload(inline=msgspec.Raw(raw))
        return await self._payloads.pack(snapshot.tenant, raw)

    async def column(self, raw: bytes | None, snapshot: RunSnapshot) -> bytes | None:
        """A payload column."""
        if raw is None:
            return None
        if len(raw) <= INLINE_LIMIT:
            return b'{"inline":%b}' % raw
        return _encode(await self._payloads.pack(snapshot.tenant, raw))


def _unreadable(what: str, detail: str) -> WorkflowError:
    return standard_error("runtime", 500, title=f"Unreadable {what}", detail=detail)


def _faulted(result: TaskResult, error: WorkflowError) -> TaskResult:
    return msgspec.structs.replace(result, outcome=Outcome.FAULTED, output=None, error=error)
