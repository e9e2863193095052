"""A person decides: the mail with the link, the page behind it, and the run that goes on."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from kit.stack import StackProcess
from kit.waiting import eventually
from visapi.stack.standins.smtp_sink import SmtpSink

ASK = """
document: { dsl: "1.0.3", namespace: e2e, name: refund, version: "1.0.0" }
do:
  - ask:
      call: human.approve
      with:
        title: ${ "Refund \\(.amount) € to \\(.customer)?" }
        data: ${ . }
        approvers: [mia@example.com]
        notify:
          - mail:
              call: notify.email
              with:
                to: mia@example.com
                subject: ${ $approval.title }
                text: ${ "Please decide here\\n\\($approval.links["mia@example.com"])\\n" }
        deadline: PT20S
        onDeadline: reject
        escalation:
          after: ${ .escalate }
          approvers: [boss@example.com]
          notify:
            - mail:
                call: notify.email
                with:
                  to: boss@example.com
                  subject: Mia does not answer
                  text: ${ "Please decide at \\($approval.links["boss@example.com"])" }
  - decide:
      switch:
        - approved: { when: '${ .decision == "approve" }', then: pay }
        - rejected: { then: end }
  - pay: { set: { paid: true, by: "${ .by }", comment: "${ .comment }" } }
"""
_YAML = {"Content-Type": "application/yaml"}
_LINK = re.compile(r"http://\S+/approve/\S+")
_WAIT_S = 20.0


class World:
    """A stack, a client of it, and the mails that it sent."""

    def __init__(self, stack: StackProcess, client: httpx.AsyncClient, mails: SmtpSink) -> None:
        self.stack = stack
        self.client = client
        self.mails = mails
        self.people = httpx.AsyncClient(timeout=20, trust_env=False)
        self.keys: list[str] = []

    async def start(self, customer: str, *, escalate: str = "PT15S") -> str:
        value = {"amount": 40, "customer": customer, "escalate": escalate}
        started = await self.client.post("/v1/workflows/e2e/refund/runs", json=value)
        assert started.status_code == 202, started.text
        return started.json()["id"]

    async def link_to(self, person: str, *, about: str) -> str:
        """The link in the mail to a person, once it has come."""

        async def mailed() -> str | None:
            for mail in self.mails.received:
                text = message_from_bytes(mail.content, policy=policy.default).get_body(("plain",))
                found = _LINK.search("" if text is None else text.get_content())
                if mail.recipients == [person] and found and about in (await self.people.get(found[0])).text:
                    return found[0]
            return None

        link = await eventually(mailed)
        assert link is not None
        self.keys.append(link.rpartition(".")[2])
        return link

    async def submit(self, link: str, decision: str, comment: str = "") -> httpx.Response:
        form = {"decision": decision, "comment": comment}
        return await self.people.post(link, data=form, follow_redirects=True)

    async def waits(self, run: str) -> None:
        async def waiting() -> bool:
            return (await self.client.get(f"/v1/runs/{run}")).json()["status"] == "waiting"

        await eventually(waiting)

    async def ended(self, run: str) -> dict[str, Any]:
        async def over() -> dict[str, Any] | None:
            found = (await self.client.get(f"/v1/runs/{run}")).json()
            return None if found["ended_at"] is None else found

        ended = await eventually(over)
        assert ended is not None
        return ended


@pytest.fixture
async def world() -> AsyncIterator[World]:
    mails = SmtpSink()
    stack = StackProcess({"VISAPI_SMTP_URL": await mails.start(), "VISAPI_EGRESS_ALLOW": "127.0.0.0/8"})
    try:
        ready = await asyncio.to_thread(stack.start)
        headers = {"Authorization": f"Bearer {ready.api_key}"}
        async with httpx.AsyncClient(
            base_url=ready.gateway, headers=headers, timeout=20, trust_env=False
        ) as client:
            assert (await client.post("/v1/workflows", content=ASK, headers=_YAML)).status_code == 201
            yield World(stack, client, mails)
    finally:
        await asyncio.to_thread(stack.close)
        await mails.stop()


async def test_people_decide_by_the_links_they_are_mailed(world: World) -> None:
    await a_link_is_followed_and_the_run_goes_on(world)
    await one_of_two_opposite_decisions_counts(world)
    await a_killed_orchestrator_forgets_no_question(world)
    await whoever_it_is_escalated_to_may_decide(world)
    await the_deadline_decides_when_nobody_does(world)
    await no_link_is_kept_anywhere(world)


async def a_link_is_followed_and_the_run_goes_on(world: World) -> None:
    run = await world.start("Ada")
    link = await world.link_to("mia@example.com", about="Refund 40 € to Ada?")
    await world.waits(run)  # the mail is read before the notifier has reported that it was sent
    answer = await world.submit(link, "approve", "it was broken")
    assert answer.status_code == 200
    assert "Decided by mia@example.com" in answer.text
    ended = await world.ended(run)
    assert ended["output"] == {"paid": True, "by": "mia@example.com", "comment": "it was broken"}
    assert (await world.submit(link, "reject")).status_code == 409


async def one_of_two_opposite_decisions_counts(world: World) -> None:
    run = await world.start("Ben")
    link = await world.link_to("mia@example.com", about="to Ben?")
    by_link, by_key = await asyncio.gather(
        world.submit(link, "approve"), _decide_by_key(world, run, "reject")
    )
    assert sorted((by_link.status_code, by_key.status_code)) == [200, 409]
    paid = by_link.status_code == 200
    assert ((await world.ended(run))["output"].get("paid") is True) is paid


async def _decide_by_key(world: World, run: str, decision: str) -> httpx.Response:
    (item,) = (await world.client.get("/v1/approvals", params={"run": run, "state": "all"})).json()["items"]
    return await world.client.post(f"/v1/approvals/{item['id']}/decide", json={"decision": decision})


async def a_killed_orchestrator_forgets_no_question(world: World) -> None:
    run = await world.start("Cleo")
    link = await world.link_to("mia@example.com", about="to Cleo?")
    view = world.stack.processes()["orchestrator"]
    assert view.pid is not None
    os.kill(view.pid, signal.SIGKILL)
    assert (await world.submit(link, "approve", "while it was away")).status_code == 200
    assert (await world.ended(run))["output"]["comment"] == "while it was away"


async def whoever_it_is_escalated_to_may_decide(world: World) -> None:
    run = await world.start("Dora", escalate="PT0.5S")
    link = await world.link_to("boss@example.com", about="to Dora?")
    await world.submit(link, "approve")
    assert (await world.ended(run))["output"]["by"] == "boss@example.com"


async def the_deadline_decides_when_nobody_does(world: World) -> None:
    run = await world.start("Emil")
    link = await world.link_to("mia@example.com", about="to Emil?")
    ended = await world.ended(run)
    assert (ended["output"]["decision"], ended["output"]["by"]) == ("reject", "deadline")
    late = await world.submit(link, "approve")
    assert late.status_code == 409
    assert "Decided by the deadline" in late.text


async def no_link_is_kept_anywhere(world: World) -> None:
    """Neither rows (the history is one) nor logs hold what opens a question."""
    data = world.stack.data_dir
    passwords = msgspec.json.decode((data / "secrets.json").read_bytes())["postgres"]
    owner = next(iter(passwords.keys() - {"visapi_gateway", "visapi_orchestrator", "visapi_notifier"}))
    port = world.stack.processes()["postgres"].ports["postgres"]
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user=owner, password=passwords[owner], database="visapi"
    )
    try:
        for table in (
            "history",
            "tasks",
            "runs",
            "runs_done",
            "approvals",
            "inbox",
            "deliveries",
            "dead_letters",
        ):
            rows = await connection.fetch(f"select * from visapi.{table}")
            text = "".join(_readable(value) for row in rows for value in row.values())
            assert not [key for key in world.keys if key in text], table
    finally:
        await connection.close()
    logs = b"".join(path.read_bytes() for path in data.rglob("*.log"))
    assert logs
    assert not [key for key in world.keys if key.encode() in logs]


def _readable(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
