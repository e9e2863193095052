"""Commands to runs: cancel, suspend, resume, retry."""

from typing import Any

from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.contracts.gateway_bodies import Retry, RunCommand
from visapi_common.contracts.runs import RunView
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.headers import idempotency_key
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Header, json_response
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Commands, key_of_request
from visapi_gateway.runs.reading.service import RunRow, RunViews

_ONCE = {"Idempotency-Key": "The same key with the same request is one command, for 7 days."}

RETRY = Operation(
    "POST",
    "/v1/runs/{run:uuid}/retry",
    "retryRun",
    "Retry a faulted run at its failed task",
    {
        202: ResponseSpec(
            "The command is committed; the current run.", RunView, headers=("Location", "Idempotent-Replayed")
        )
    },
    description=(
        "Completed tasks stay completed. The failed task is tried again under its effect key, and tasks "
        "that were cancelled beside it are started again. Two requests cause one retry."
    ),
    scope="runs:write",
    headers=_ONCE,
    body=Retry,
    problems=(
        "run_not_found",
        "workflow_not_found",
        "run_not_faulted",
        "run_not_retryable",
        "version_not_compatible",
        "retry_waits",
        "idempotency_conflict",
        "invalid_header",
    ),
)


def _command(kind: InboxKind, summary: str) -> Operation:
    return Operation(
        "POST",
        f"/v1/runs/{{run:uuid}}/{kind.value}",
        f"{kind.value}Run",
        summary,
        {
            202: ResponseSpec(
                "The command is committed; the current run.",
                RunView,
                headers=("Location", "Idempotent-Replayed"),
            )
        },
        scope="runs:write",
        headers=_ONCE,
        body=RunCommand,
        problems=("run_not_found", "run_ended", "idempotency_conflict", "invalid_header"),
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
        commands = [Route(operation, self._handler(kind, operation)) for kind, operation in COMMANDS.items()]
        return [Route(RETRY, self.retry), *commands]

    async def retry(self, call: Call) -> AsgiResponse:
        wanted: Retry = await read_json(RETRY, call)
        run = call.path["run"]
        key = key_of_request(idempotency_key(call.header(b"idempotency-key")), InboxKind.RETRY, run, wanted)
        return await self._accepted(call, *await self._retry(call.requester, run, wanted, key))

    def _handler(self, kind: InboxKind, operation: Operation) -> Any:
        async def send(call: Call) -> AsgiResponse:
            command: RunCommand = await read_json(operation, call)
            run = call.path["run"]
            key = key_of_request(idempotency_key(call.header(b"idempotency-key")), kind, run, command)
            return await self._accepted(
                call, *await self._commands.send(call.requester, run, kind, command.reason, key)
            )

        return send

    async def _accepted(self, call: Call, row: RunRow, fresh: bool) -> AsgiResponse:
        headers: list[Header] = [(b"location", f"/v1/runs/{row.id}".encode())]
        if not fresh:
            headers.append((b"idempotent-replayed", b"true"))
        return json_response(await self._views.view(call.principal.tenant, row), 202, headers)
