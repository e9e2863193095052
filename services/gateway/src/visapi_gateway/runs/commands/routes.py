"""Commanding runs: cancel, suspend, resume, retry."""

from typing import Any

from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.contracts.gateway_bodies import Retry, RunCommand
from visapi_common.contracts.runs import RunView
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.headers import idempotency_key
from visapi_gateway.kernel.api.operation import Answers, Call, Operation, Route
from visapi_gateway.kernel.asgi.exchange import Answer, Header, json_reply
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.service import Commands, once_of
from visapi_gateway.runs.reading.service import RunRow, RunViews

_ONCE = {"Idempotency-Key": "The same key and request are one command, for 7 days."}

RETRY = Operation(
    "POST",
    "/v1/runs/{run:uuid}/retry",
    "retryRun",
    "Take a faulted run up again where its task failed",
    {
        202: Answers(
            "It is committed; the run as it is now.", RunView, headers=("Location", "Idempotent-Replayed")
        )
    },
    description=(
        "What completed stays completed; the failed task is tried again under its effect key; what was "
        "cancelled beside it is asked for again. Asked twice, it is taken up once."
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
            202: Answers(
                "The command is committed; the run as it is now.",
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
        told = [Route(operation, self._teller(kind, operation)) for kind, operation in COMMANDS.items()]
        return [Route(RETRY, self.retry), *told]

    async def retry(self, call: Call) -> Answer:
        wanted: Retry = await read_json(RETRY, call)
        run = call.path["run"]
        once = once_of(idempotency_key(call.header(b"idempotency-key")), InboxKind.RETRY, run, wanted)
        return await self._accepted(call, *await self._retry(call.asker, run, wanted, once))

    def _teller(self, kind: InboxKind, operation: Operation) -> Any:
        async def tell(call: Call) -> Answer:
            command: RunCommand = await read_json(operation, call)
            run = call.path["run"]
            once = once_of(idempotency_key(call.header(b"idempotency-key")), kind, run, command)
            return await self._accepted(
                call, *await self._commands.tell(call.asker, run, kind, command.reason, once)
            )

        return tell

    async def _accepted(self, call: Call, row: RunRow, fresh: bool) -> Answer:
        headers: list[Header] = [(b"location", f"/v1/runs/{row.id}".encode())]
        if not fresh:
            headers.append((b"idempotent-replayed", b"true"))
        return json_reply(await self._views.view(call.principal.tenant, row), 202, headers)
