"""Questions to people: the page of a link, and the same by key."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kit.ledger_rows import overwrite
from visapi_common.core.approvals import ANYBODY, link_digest, link_key, link_of

RUN_KEY = bytes(range(32))
MIA = "mia@example.com"
SHOWN = {"title": "Refund 40 €?", "text": "", "data": None, "choices": ["approve", "reject"]}


class Question:
    """A question as the orchestrator opens it."""

    def __init__(self, gateway: Any, run: str, approval: UUID) -> None:
        self.gateway = gateway
        self.run = run
        self.id = approval
        self.people = gateway.client(None)

    def path(self, holder: str = ANYBODY, *, tenant: str = "default") -> str:
        return link_of("", tenant, self.id, link_key(RUN_KEY, self.id, holder))

    async def look(self, holder: str = ANYBODY) -> httpx.Response:
        return await self.people.get(self.path(holder))

    async def submit(self, decision: str, holder: str = ANYBODY, comment: str = "") -> httpx.Response:
        form = {"decision": decision, "comment": comment}
        return await self.people.post(self.path(holder), data=form)

    async def told(self) -> list[dict[str, Any]]:
        """What the run hears, by its inbox."""
        rows = await self.gateway.db.fetch("select kind, body from visapi.inbox where run = $1", self.run)
        assert {row["kind"] for row in rows} <= {"approval"}
        return [json.loads(row["body"]) for row in rows]

    async def change(self, **columns: object) -> None:
        await overwrite(self.gateway.db, "approvals", {"id": self.id}, **columns)


async def ask(gateway: Any, **shown: Any) -> Question:
    await gateway.deploy()
    run = (await gateway.start({"name": "Mia"})).json()["id"]
    approval, holders = uuid4(), [ANYBODY, MIA]
    keys = [link_digest(link_key(RUN_KEY, approval, holder)) for holder in holders]
    await gateway.orchestrator.ask(UUID(run), approval, {**SHOWN, **shown}, approvers=holders, keys=keys)
    return Question(gateway, run, approval)


async def test_the_page_shows_the_question_and_looking_decides_nothing(gateway: Any) -> None:
    question = await ask(gateway, text="Damaged on arrival.", data={"order": "A-7", "lines": [{"sku": 1}]})
    await question.look(MIA)
    page = await question.look(MIA)
    assert page.status_code == 200
    for part in (
        "Refund 40 €?",
        "Damaged on arrival.",
        "A-7",
        "demo/hello",
        f"You decide as {MIA}",
        "Approve",
    ):
        assert part in page.text
    assert await question.told() == []


async def test_the_page_runs_no_script_is_not_kept_and_not_indexed(gateway: Any) -> None:
    page = await (await ask(gateway)).look()
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_everything_that_is_shown_is_escaped(gateway: Any) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    question = await ask(gateway, title=hostile, text=hostile, data={hostile: hostile}, choices=[hostile])
    page = (await question.look()).text
    await question.submit(hostile, comment=hostile)
    page += (await question.look()).text
    assert "<script" not in page
    assert "<img" not in page
    assert "onerror" in page


async def test_the_form_decides_once_and_the_run_is_told_who_and_why(gateway: Any) -> None:
    question = await ask(gateway)
    answer = await question.submit("reject", MIA, "  too much \r\n for one order ")
    assert answer.status_code == 303
    assert answer.url.join(answer.headers["location"]).path == question.path(MIA)
    (told,) = await question.told()
    assert {key: told[key] for key in ("path", "decision", "by", "comment")} == {
        "path": "/do/0/ask",
        "decision": "reject",
        "by": MIA,
        "comment": "too much \n for one order",
    }
    page = await question.look(MIA)
    assert page.status_code == 200
    assert f"Decided by {MIA}" in page.text
    assert "<form" not in page.text


async def test_a_second_decision_is_told_who_decided(gateway: Any) -> None:
    question = await ask(gateway)
    await question.submit("approve", MIA)
    again = await question.submit("reject")
    assert again.status_code == 409
    assert "does not count" in again.text
    assert f"Decided by {MIA}" in again.text
    by_key = await gateway.http.post(f"/v1/approvals/{question.id}/decide", json={"decision": "reject"})
    assert (by_key.status_code, by_key.json()["code"]) == (409, "approval_decided")
    assert f"{MIA} decided 'approve'" in by_key.json()["detail"]
    assert [told["decision"] for told in await question.told()] == ["approve"]


async def test_of_two_opposite_decisions_at_once_one_counts_and_the_other_is_told(gateway: Any) -> None:
    for _ in range(5):
        question = await ask(gateway)
        answers = await asyncio.gather(question.submit("approve", MIA), question.submit("reject"))
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        (told,) = await question.told()
        assert told["by"] == (MIA if answers[0].status_code == 303 else "link")


async def test_the_same_decision_sent_twice_is_one_that_counted(gateway: Any) -> None:
    question = await ask(gateway)
    for _ in range(2):
        assert (await question.submit("approve", MIA, "fine")).status_code == 303
    assert (await question.submit("approve", MIA)).status_code == 409
    assert (await question.submit("approve", comment="fine")).status_code == 409
    other = await ask(gateway)
    body = {"decision": "reject", "comment": "no"}
    for _ in range(2):
        decided = await gateway.http.post(f"/v1/approvals/{other.id}/decide", json=body)
        assert (decided.status_code, decided.json()["decision"]) == (200, "reject")
    assert len(await question.told()) == len(await other.told()) == 1


@pytest.mark.parametrize("state", ["expired", "cancelled"])
async def test_a_question_that_is_over_is_gone(gateway: Any, state: str) -> None:
    question = await ask(gateway)
    await question.change(state=state)
    assert (await question.look()).status_code == 410
    assert (await question.submit("approve")).status_code == 410
    by_key = await gateway.http.post(f"/v1/approvals/{question.id}/decide", json={"decision": "approve"})
    assert (by_key.status_code, by_key.json()["code"]) == (409, "approval_over")
    assert await question.told() == []


async def test_nobody_decides_after_the_time_is_over_even_before_the_run_knows(gateway: Any) -> None:
    question = await ask(gateway)
    await question.change(expires_at=datetime.now(UTC))
    assert (await question.submit("approve")).status_code == 410
    assert (await gateway.http.get(f"/v1/approvals/{question.id}")).json()["state"] == "expired"
    assert await question.told() == []


async def test_a_changed_link_opens_nothing_and_says_no_more(gateway: Any) -> None:
    question = await ask(gateway)
    right = question.path()
    other = "A" if right[-2] != "A" else "B"
    wrong = [
        right[:-2] + other + right[-1],
        right[:-1],
        question.path("boss@example.com"),
        question.path(tenant="somebody-else"),
        "/approve/x",
    ]
    pages = [await question.people.get(path) for path in wrong]
    pages += [await question.people.post(path, data={"decision": "approve"}) for path in wrong]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    assert await question.told() == []


async def test_what_the_form_would_not_send_is_shown_again_with_the_reason(gateway: Any) -> None:
    question = await ask(gateway)
    for answer in (await question.submit("perhaps"), await question.submit("approve", comment="x" * 2001)):
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert "<form" in answer.text
    assert (await question.people.post(question.path(), json={"decision": "approve"})).status_code == 415
    assert await question.told() == []


async def test_keys_list_read_and_decide(gateway: Any) -> None:
    question = await ask(gateway, data={"amount": 40})
    listed = (await gateway.http.get("/v1/approvals", params={"run": question.run})).json()["items"]
    assert [(item["id"], item["state"], item["data"]) for item in listed] == [
        (str(question.id), "open", {"amount": 40})
    ]
    assert listed[0]["approvers"] == [MIA]
    wrong = await gateway.http.post(f"/v1/approvals/{question.id}/decide", json={"decision": "perhaps"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/decision")
    done = await gateway.http.post(
        listed[0]["links"]["decide"], json={"decision": "approve", "comment": "ok"}
    )
    assert (done.status_code, done.json()["state"], done.json()["comment"]) == (200, "decided", "ok")
    assert done.json()["decided_by"].startswith("key:")
    assert (await gateway.http.get("/v1/approvals")).json()["items"] == []
    assert len((await gateway.http.get("/v1/approvals?state=all")).json()["items"]) == 1


async def test_questions_belong_to_their_tenant_and_need_the_scopes_of_runs(gateway: Any) -> None:
    question = await ask(gateway)
    path = f"/v1/approvals/{question.id}"
    stranger = await _admitted(gateway, await gateway.key("other"))
    assert (await stranger.get(path)).json()["code"] == "approval_not_found"
    assert (await stranger.get("/v1/approvals")).json()["items"] == []
    reader = await _admitted(gateway, await gateway.key(scopes=("runs:read",)))
    assert (await reader.get(path)).status_code == 200
    assert (await reader.post(f"{path}/decide", json={"decision": "approve"})).status_code == 403
    assert (await question.people.get(path)).status_code == 401


async def _admitted(gateway: Any, key: str) -> httpx.AsyncClient:
    """A client of a new key, once the gateway has heard of it."""
    client: httpx.AsyncClient = gateway.client(key)

    async def let_in() -> bool:
        return (await client.get("/v1/keys/current")).status_code == 200

    await gateway.until(let_in)
    return client


async def test_no_key_of_a_link_is_kept_in_clear(gateway: Any) -> None:
    question = await ask(gateway)
    await question.submit("approve", MIA)
    key = question.path(MIA).rpartition(".")[2]
    for table in ("approvals", "inbox", "runs"):
        for row in await gateway.db.fetch(f"select t::text as row from visapi.{table} t"):
            assert key not in row["row"]
