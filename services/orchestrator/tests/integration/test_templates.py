"""The orchestrator tells built-in workers which version of a template a task's tenant means."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from kit.orchestration import TENANT, Stack, eventually
from kit.tenants import add_tenants
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects
from visapi_common.contracts.templates import ResolvedTemplate, ResolveTemplate
from visapi_common.core.errors import UnknownFault
from visapi_gateway.templates.service import NewVersion

MAIL = "do: [{send: {call: notify.email, with: {to: a@example.com, subject: s, text: t}}}]"


def version(tenant: str, name: str, digit: str) -> NewVersion:
    return NewVersion(
        tenant=tenant,
        name=name,
        kind="email",
        sha256=digit * 64,
        size=10,
        default_locale="en",
        locales=["en"],
        description="",
        created_by="tester",
    )


class Asking:
    """A worker that was given one task."""

    def __init__(self, bus: Bus, task: Mapping[str, Any]) -> None:
        self._bus = bus
        self._task = task

    async def ask(self, name: str, number: int | None = None, token: str | None = None) -> tuple[Any, ...]:
        task = self._task
        question = ResolveTemplate(
            task["run"], task["path"], task["attempt"], token or task["token"], name, number
        )
        body = msgspec.json.encode(question)
        answer = await self._bus.request(subjects.CONTROL_TEMPLATES, body, 2.0)
        read = msgspec.json.decode(answer.data, type=ResolvedTemplate)
        return read.latest, read.version, read.sha256


async def test_a_name_means_a_version_of_the_tasks_own_tenant(stack: Stack):
    rows = stack.gateway.rows
    await add_tenants(stack.gateway.pool, "rival")
    for digit in "ab":
        await rows.put_template(version(TENANT, "welcome", digit))
    await rows.put_template(version(TENANT, "old", "c"))
    await rows.retire_template(TENANT, "old")
    await rows.put_template(version("rival", "secret", "d"))
    await stack.gateway.deploy("mail", MAIL)
    async with stack.orchestrator():
        run = await stack.gateway.start("mail")

        async def task() -> Mapping[str, Any] | None:
            query = "select run, path, attempt, token from tasks where run = $1"
            return await stack.gateway.pool.fetchrow(query, run)

        worker = Asking(stack.gateway.bus, await eventually(task))
        assert await worker.ask("welcome") == (2, 2, "b" * 64)
        assert await worker.ask("welcome", 1) == (2, 1, "a" * 64)
        assert await worker.ask("welcome", 3) == (2, None, None)
        assert await worker.ask("old") == (None, None, None)
        assert await worker.ask("old", 1) == (None, 1, "c" * 64), "a pinned version outlives its name"
        assert await worker.ask("secret") == (None, None, None)
        with pytest.raises(UnknownFault):
            await worker.ask("welcome", token="e" * 64)
        assert await worker.ask("welcome") == (2, 2, "b" * 64)
        await stack.gateway.tell(run, "cancel")
        await stack.gateway.ended(run)
        with pytest.raises(UnknownFault):
            await worker.ask("welcome")
