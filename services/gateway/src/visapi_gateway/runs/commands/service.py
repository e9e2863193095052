"""Commands to a run: the committed inbox row counts, the message is only a hint."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import InboxBody, InboxKind
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.runs.reading.service import RunRow, RunViews

AUDITED = {
    InboxKind.CANCEL: AuditAction.RUN_CANCEL,
    InboxKind.SUSPEND: AuditAction.RUN_SUSPEND,
    InboxKind.RESUME: AuditAction.RUN_RESUME,
    InboxKind.RETRY: AuditAction.RUN_RETRY,
}


UNREAD_MAX = 1000
"""The most unread commands of one run."""


class InboxRow(msgspec.Struct, frozen=True):
    """A row of the inbox. `key` is unique per run, so the same command twice is one command."""

    run: UUID
    key: str
    tenant: str
    kind: str
    body: bytes


class Command(msgspec.Struct, frozen=True):
    """A command to a run, and its audit entry."""

    row: InboxRow
    audit: AuditEntry


class CommandOutcome(Enum):
    """The outcome of a command."""

    COMMITTED = "committed"
    WAITS = "waits"
    """The same command is unread; only this request was recorded."""
    OTHER_WAITS = "other waits"
    """Another command under the same inbox key is unread."""
    FULL = "full"


class CommandStore(Protocol):
    async def send(self, tenant: str, commands: Sequence[Command]) -> set[UUID]:
        """Commit the commands in one transaction. Returns the runs whose command is new."""
        ...

    async def commit(self, command: Command, claim: Claim | None) -> CommandOutcome:
        """Commit the command, its audit entry and the request's key in one transaction."""
        ...

    async def cancel_family(self, tenant: str, command: Command) -> bool:
        """Cancel the descendants of an ended run. Returns whether any of them is open."""
        ...


class Hint(Protocol):
    def __call__(self, run: UUID) -> None:
        """Send the orchestrator a hint that inbox rows wait. The hint may be lost."""
        ...


def command_of(
    who: Requester, run: UUID, kind: InboxKind, reason: str | None, *, ident: str, bulk: str | None = None
) -> Command:
    """The command to cancel, suspend or resume a run; `bulk` names the bulk command it belongs to.

    Two commands of one kind are two commands unless they share an `ident`.
    """
    body = msgspec.json.encode(InboxBody(actor=who.actor, reason=reason))
    audit = entry(who, AUDITED[kind], f"run:{run}", reason=reason, bulk=bulk)
    return Command(InboxRow(run, f"{kind.value}:{ident}", who.tenant, kind.value, body), audit)


class CommandWriter(Protocol):
    async def commit(self, command: Command, claim: Claim | None) -> CommandOutcome: ...


async def committed(store: CommandWriter, command: Command, claim: Claim | None) -> bool:
    """Commit the command; returns whether it is new. Raises `ProblemError` 409 and 429."""
    match await store.commit(command, claim):
        case CommandOutcome.COMMITTED:
            return True
        case CommandOutcome.WAITS:
            return False
        case CommandOutcome.OTHER_WAITS:
            detail = (
                f"run {command.row.run} is already being retried with other settings; read it, then try again"
            )
            raise ProblemError("retry_waits", detail, status=409)
        case CommandOutcome.FULL:
            detail = (
                f"{UNREAD_MAX} commands are unread by run {command.row.run}; send the request again later"
            )
            raise ProblemError("too_many_open", detail, status=429, headers={"Retry-After": "5"})


class Commands:
    """Commands to runs."""

    def __init__(self, store: CommandStore, runs: RunViews, ids: Ids, hint: Hint) -> None:
        self._store = store
        self._ids = ids
        self._runs = runs
        self._hint = hint

    async def send(
        self,
        who: Requester,
        run: UUID,
        kind: InboxKind,
        reason: str | None,
        claim: Claim | None = None,
    ) -> tuple[RunRow, bool]:
        """Command the run. Returns the run, and whether the command is new.

        An ended run can still be cancelled while descendants of it are open.
        Raises `ProblemError` 404, 409 and 429.
        """
        row = await self._runs.row(who.tenant, run)
        who.check_may_command(f"run {run}", test=row.test)
        if row.ended:
            command = command_of(who, run, InboxKind.CANCEL, reason, ident=str(self._ids.uuid7()))
            if kind is InboxKind.CANCEL and (
                await self._store.cancel_family(who.tenant, command) or row.status == "cancelled"
            ):
                return row, False
            detail = f"run {run} is {row.status} since {row.ended_at}; it takes no more commands"
            raise ProblemError("run_ended", detail, status=409)
        command = command_of(who, run, kind, reason, ident=str(self._ids.uuid7()))
        fresh = await committed(self._store, command, claim)
        self._hint(run)
        return row, fresh

    async def send_all(self, tenant: str, commands: Sequence[Command]) -> int:
        """Command many runs; returns how many commands are new."""
        fresh = await self._store.send(tenant, commands) if commands else set[UUID]()
        for run in fresh:
            self._hint(run)
        return len(fresh)
