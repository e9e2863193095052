"""Commands to runs: cancel, suspend, resume, retry."""

import hashlib
from typing import Any

import msgspec

from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.contracts.gateway_bodies import Retry, RunCommand
from visapi_common.contracts.runs import RunView
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.idempotent_calls import REPLAYED
from visapi_gateway.kernel.api.operation import Call, HashOf, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Header, json_response
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Commands
from visapi_gateway.runs.reading.service import RunRow, RunViews

_ONCE = "is one command"

RETRY = Operation(
    "POST",
    "/v1/runs/{run:uuid}/retry",
    "retryRun",
    "Retry a faulted run at its failed task",
    {202: ResponseSpec("The command is committed; the current run.", RunView, headers=("Location",))},
    description=(
        "Completed tasks stay completed. The failed task is tried again under its effect key, and tasks "
        "that were cancelled beside it are started again. Two requests cause one retry."
    ),
    scope="runs:write",
    once=_ONCE,
    body=Retry,
    problems=(
        "run_not_found",
        "workflow_not_found",
        "run_not_faulted",
        "run_not_retryable",
        "version_not_compatible",
        "retry_waits",
    ),
    limited_keys="narrowed",
    test_keys="runs",
)


def _command(kind: InboxKind, summary: str) -> Operation:
    return Operation(
        "POST",
        f"/v1/runs/{{run:uuid}}/{kind.value}",
        f"{kind.value}Run",
        summary,
        {202: ResponseSpec("The command is committed; the current run.", RunView, headers=("Location",))},
        scope="runs:write",
        once=_ONCE,
        body=RunCommand,
        problems=("run_not_found", "run_ended"),
        limited_keys="narrowed",
        test_keys="runs",
    )


COMMANDS = {
    InboxKind.CANCEL: _command(InboxKind.CANCEL, "Cancel a run"),
    InboxKind.SUSPEND: _command(
        InboxKind.SUSPEND, "Suspend a run: results are recorded, nothing new is issued"
    ),
    InboxKind.RESUME: _command(InboxKind.RESUME, "Resume a suspended run"),
}


class CommandRoutes:
    """The handlers of the operations above."""

    def __init__(self, commands: Commands, retry: Retries, views: RunViews) -> None:
        self._commands = commands
        self._retry = retry
        self._views = views

    def routes(self) -> list[Route]:
        commands = [
            Route(operation, self._handler(kind, operation), self.replay, _hash_of(kind, operation))
            for kind, operation in COMMANDS.items()
        ]
        return [Route(RETRY, self.retry, self.replay, _hash_of(InboxKind.RETRY, RETRY)), *commands]

    async def retry(self, call: Call) -> AsgiResponse:
        wanted: Retry = await read_json(RETRY, call)
        row, fresh = await self._retry(call.requester, call.path["run"], wanted, call.claim)
        return await self._accepted(call, row, fresh)

    def _handler(self, kind: InboxKind, operation: Operation) -> Any:
        async def send(call: Call) -> AsgiResponse:
            command: RunCommand = await read_json(operation, call)
            row, fresh = await self._commands.send(
                call.requester, call.path["run"], kind, command.reason, call.claim
            )
            return await self._accepted(call, row, fresh)

        return send

    async def replay(self, call: Call, _: str) -> AsgiResponse:
        return await self._accepted(
            call, await self._views.row(call.principal.tenant, call.path["run"]), fresh=True
        )

    async def _accepted(self, call: Call, row: RunRow, fresh: bool) -> AsgiResponse:
        headers: list[Header] = [(b"location", f"/v1/runs/{row.id}".encode())]
        if not fresh:
            headers.append(REPLAYED)
        return json_response(await self._views.view(call.principal.tenant, row), 202, headers)


def _hash_of(kind: InboxKind, operation: Operation) -> HashOf:
    """The hash of a command, in which bodies that mean the same are the same."""

    async def hash_of(call: Call) -> bytes:
        wanted = await read_json(operation, call)
        asked = f"{kind.value} {call.path['run']}\n".encode() + msgspec.json.encode(wanted)
        return hashlib.sha256(asked).digest()

    return hash_of
