"""Commands to runs in memory."""

from collections.abc import Sequence
from uuid import UUID

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.engine_messages import InboxKind
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.runs.commands.service import UNREAD_MAX, Command, CommandOutcome

_COUNTED = {"cancel", "suspend", "resume", "retry", "resolve"}


class FakeCommands:
    """See `runs.commands.service.CommandStore`, `runs.commands.retry.RetryStore`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()

    async def resume_point(self, tenant: str, run: UUID) -> tuple[bytes, bytes] | None:
        stored = self._tables.runs.get(run)
        if stored is None or stored.tenant != tenant or stored.row.status != "faulted" or stored.quiet:
            return None
        return stored.resume

    async def ended_for_good(self, tenant: str, runs: Sequence[UUID]) -> dict[UUID, str]:
        known = ((run, self._tables.runs[run]) for run in runs if run in self._tables.runs)
        return {
            run: stored.row.status
            for run, stored in known
            if stored.tenant == tenant
            and stored.row.ended
            and stored.row.status != "completed"
            and stored.resume is None
        }

    async def send(self, tenant: str, commands: Sequence[Command]) -> set[UUID]:
        await self.faults.enter("send")
        fresh: set[UUID] = set()
        for command in commands:
            if (command.row.run, command.row.key) not in self._tables.inbox:
                fresh.add(command.row.run)
                self._tables.put_inbox(command.row)
                self._tables.record(command.audit)
            self._cancel_family(command)
        return fresh

    async def commit(self, command: Command, claim: Claim | None) -> CommandOutcome:
        await self.faults.enter("commit")
        outcome = self._outcome(command)
        if outcome in (CommandOutcome.OTHER_WAITS, CommandOutcome.FULL):
            return outcome
        self._tables.hold_key(claim)
        if outcome is CommandOutcome.COMMITTED:
            self._tables.put_inbox(command.row)
            self._cancel_family(command)
        self._tables.record(command.audit)
        return outcome

    async def cancel_family(self, tenant: str, command: Command) -> bool:
        await self.faults.enter("cancel_family")
        runs = self._tables.runs.values()
        if not any(one.root == command.row.run and not one.row.ended for one in runs):
            return False
        self._cancel_family(command)
        self._tables.record(command.audit)
        return True

    def _outcome(self, command: Command) -> CommandOutcome:
        row = command.row
        unread = sum(one.run == row.run and one.kind in _COUNTED for one in self._tables.inbox.values())
        waiting = self._tables.inbox.get((row.run, row.key))
        if waiting is None:
            return CommandOutcome.COMMITTED if unread < UNREAD_MAX else CommandOutcome.FULL
        return CommandOutcome.WAITS if waiting.body == row.body else CommandOutcome.OTHER_WAITS

    def _cancel_family(self, command: Command) -> None:
        if command.row.kind == InboxKind.CANCEL:
            self._tables.cancelled_roots.add(command.row.run)
