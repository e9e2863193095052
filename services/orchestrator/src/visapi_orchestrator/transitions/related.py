"""Works out what a transition asks of others: which definitions its children run, whom its end concerns."""

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.commands import CallTask, DropTask, DropTimer, HoldTask, SetTimer, StartRun
from visapi_orchestrator.transitions.ports import Ledger
from visapi_orchestrator.transitions.rules.related import Definition, Family, child_of, end_of, unknown_child
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.values import ValueReader

_OWN = (CallTask, DropTask, HoldTask, SetTimer, DropTimer)
_KNOWN_MAX = 1000
LATEST = "latest"


class Relations:
    """See the module's docstring. A deployed version never changes, so it is looked up once."""

    def __init__(self, ledger: Ledger, values: ValueReader) -> None:
        self._ledger = ledger
        self._values = values
        self._known: dict[tuple[str, WorkflowRef], Definition] = {}

    async def of(self, step: Step) -> Family | None:
        """None when the transition concerns its own run alone. Raises the ledger's faults."""
        facts, answer = step.facts, step.answer
        about_others = [command for command in answer.commands if not isinstance(command, _OWN)]
        if not about_others and not (answer.ended and facts.parent_path is not None):
            return None
        family = Family()
        for command in about_others:
            if isinstance(command, StartRun):
                # What a run would have started in the very fold that cancels it is never started.
                if answer.status is not RunStatus.CANCELLED:
                    await self._start(family, command, step)
            else:
                family.ask(command, facts)
        end = end_of(facts, answer, step.output)
        if end is not None:
            family.telling.append(end)
        return family

    async def _start(self, family: Family, start: StartRun, step: Step) -> None:
        found = await self._definition(step.facts.tenant, start)
        if found is not None:
            value = await self._values.travelling(start.input, step.facts)
            family.children.append(child_of(start, found, value, step.trace))
            return
        told = unknown_child(start, step.facts)
        if told is not None:
            family.telling.append(told)

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
