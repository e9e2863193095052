"""Builds the writes of a transition that concern other runs: child runs, the parent's inbox, events,
approvals.
"""

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.commands import CallTask, DropTask, DropTimer, HoldTask, SetTimer, StartRun
from visapi_orchestrator.transitions.ports import Ledger
from visapi_orchestrator.transitions.rules.related_writes import (
    Definition,
    RelatedWrites,
    child_of,
    end_of,
    unknown_child,
)
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.values import ValueReader

_OWN = (CallTask, DropTask, HoldTask, SetTimer, DropTimer)
_KNOWN_MAX = 1000
LATEST = "latest"


class RelatedWritesBuilder:
    """See the module's docstring. A deployed version never changes, so it is looked up once."""

    def __init__(self, ledger: Ledger, values: ValueReader) -> None:
        self._ledger = ledger
        self._values = values
        self._known: dict[tuple[str, WorkflowRef], Definition] = {}

    async def build(self, step: Step) -> RelatedWrites | None:
        """None where the transition writes rows of its own run alone. Raises the ledger's faults."""
        snapshot, answer = step.snapshot, step.answer
        about_others = [command for command in answer.commands if not isinstance(command, _OWN)]
        if not about_others and not (answer.ended and snapshot.parent_path is not None):
            return None
        related = RelatedWrites()
        for command in about_others:
            if isinstance(command, StartRun):
                # A run that is cancelled starts no child run in the same transition; a replaced listener of a
                # schedule still starts the workflow with what it has heard.
                if answer.status is not RunStatus.CANCELLED or command.heard:
                    await self._start(related, command, step)
            else:
                related.ask(command, snapshot)
        end = end_of(snapshot, answer, step.output)
        if end is not None:
            related.inbox_rows.append(end)
        return related

    async def _start(self, related: RelatedWrites, start: StartRun, step: Step) -> None:
        found = await self._definition(step.snapshot.tenant, start)
        if found is not None:
            value = await self._values.travelling(start.input, step.snapshot)
            related.children.append(child_of(start, found, value, step.trace, step.events[-1].now_ms))
            return
        unknown = unknown_child(start, step.snapshot)
        if unknown is not None:
            related.inbox_rows.append(unknown)

    async def _definition(self, tenant: str, start: StartRun) -> Definition | None:
        if start.program is not None:
            return Definition(start.version, start.program)
        wanted = WorkflowRef(start.namespace, start.name, start.version)
        known = self._known.get((tenant, wanted))
        if known is not None:
            return known
        found = await self._ledger.definition(tenant, wanted, latest=start.version == LATEST)
        if found is not None and start.version != LATEST:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[tenant, wanted] = found
        return found
