"""Dead letters are found by filter, read with what is secret masked, edited where nothing has left, and replayed at once."""

import hashlib
import json
import uuid
from typing import Any

import pytest

from kit.ledger_rows import plant
from visapi_common.adapters.clock import RandomIds

EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "paid", "data": {"total": 5}}
REPLAYS = "/v1/dead-letters/replays"
IDS = RandomIds()


async def put(gateway: Any, kind: str = "event", **more: Any) -> str:
    letter = IDS.uuid7()
    endpoint = [str(uuid.uuid4()), str(uuid.uuid4())]
    items = {"webhook": endpoint, "message": ["visapi.events.default.paid"]}
    fields = {"tenant": "default", "reason": "bad-event", "detail": "refused", "body": b"{}", **more}
    item = fields.pop("item", items.get(kind, ["/shop", "1", "paid"]))
    await plant(
        gateway.db,
        "dead_letters",
        id=letter,
        service="orchestrator",
        kind=kind,
        item=item,
        digest=letter.bytes,
        **fields,
    )
    return str(letter)


async def test_dead_letters_are_found_by_workflow_function_reason_and_time(gateway: Any) -> None:
    mine = await put(gateway, "timer", workflow="shop/order", function="pay", reason="bad-timer")
    other = await put(gateway)

    async def found(**query: str) -> set[str]:
        page = await gateway.http.get("/v1/dead-letters", params=query)
        assert page.status_code == 200, page.text
        return {item["id"] for item in page.json()["items"]}

    for query in ({"workflow": "shop/order"}, {"function": "pay"}, {"reason": "bad-timer", "kind": "timer"}):
        assert await found(**query) == {mine}
    assert await found(created_after="2026-01-01T00:00:00Z", reason="bad-event") == {other}
    assert await found(created_before="2026-01-01T00:00:00Z") == set()


async def test_what_is_secret_or_personal_is_masked_in_a_dead_letter(gateway: Any) -> None:
    secret = b'{"password": "hunter22", "url": "https://a:pw@b/", "mail": "ada@example.com"}'
    letter = await put(gateway, body=secret, detail="no token=abcdefgh for ada@example.com")
    shown = await gateway.http.get(f"/v1/dead-letters/{letter}")
    for hidden in ("hunter22", "pw@b", "abcdefgh", "ada@example.com"):
        assert hidden not in shown.text
        assert hidden not in (await gateway.http.get("/v1/dead-letters")).text


async def test_an_event_is_edited_until_its_replay_and_the_audit_has_both_hashes(gateway: Any) -> None:
    letter, webhook, task = await put(gateway), await put(gateway, "webhook"), await put(gateway, "timer")
    stored = {name: EVENT[name] for name in ("source", "id", "type")}
    await plant(gateway.db, "events_in", tenant="default", body=b"{}", **stored)
    path = f"/v1/dead-letters/{letter}/edit"
    better = {**EVENT, "data": {"total": 6}, "visapihook": "forged"}
    for event, said in (
        ({**EVENT, "id": "2"}, "id must stay"),
        ({"id": "1"}, "is missing"),
        ({**EVENT, "source": "/hooks/x"}, "/hooks/"),
    ):
        wrong = await gateway.http.post(path, json={"event": event})
        assert (wrong.status_code, said in wrong.text) == (400, True), wrong.text
    answer = await gateway.http.post(path, json={"event": better, "reason": "a typo"})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["resolved_at"], shown["edited_by"] is None, "forged" in shown["text"]) == (
        None,
        False,
        False,
    )
    for sent in (webhook, task):
        refused = await gateway.http.post(f"/v1/dead-letters/{sent}/edit", json={"event": better})
        assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter_not_editable")
    assert (await gateway.http.post(f"/v1/dead-letters/{letter}/replay")).status_code == 202
    late = await gateway.http.post(path, json={"event": better})
    assert (late.status_code, late.json()["code"]) == (409, "dead_letter_resolved")
    body = await gateway.db.fetchval("select body from visapi.dead_letters where id = $1", uuid.UUID(letter))
    row = await gateway.db.fetchrow(
        "select reason, details from visapi.audit where action = 'dead-letter.edit'"
    )
    before, after = [hashlib.sha256(one).hexdigest() for one in (b"{}", body)]
    details = row["details"] if isinstance(row["details"], dict) else json.loads(row["details"])
    assert (row["reason"], details["before"], details["after"]) == ("a typo", before, after)


async def test_an_event_that_is_matched_and_published_apart_is_not_edited(gateway: Any) -> None:
    """One of both may have happened with the event as it is."""
    for ident, publish in (("emitted", True), ("posted", False)):
        row = {"source": "/shop", "id": ident, "type": "paid", "body": b"{}", "publish": publish}
        await plant(gateway.db, "events_in", tenant="default", **row)
    emit, emitted, posted, swept = [
        await put(gateway, kind, item=["/shop", ident, "paid"])
        for kind, ident in (
            ("emit", "emitted"),
            ("event", "emitted"),
            ("event", "posted"),
            ("event", "swept"),
        )
    ]
    assert "edit" not in (await gateway.http.get(f"/v1/dead-letters/{emit}")).json()["links"]
    for letter, ident, said in (
        (emit, "emitted", "kind 'emit'"),
        (emitted, "emitted", "also published"),
        (swept, "swept", "or may have been"),
    ):
        refused = await gateway.http.post(
            f"/v1/dead-letters/{letter}/edit", json={"event": {**EVENT, "id": ident}}
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter_not_editable")
        assert said in refused.json()["detail"]
        assert (await gateway.http.get(f"/v1/dead-letters/{letter}")).json()["edited_at"] is None
    edited = await gateway.http.post(
        f"/v1/dead-letters/{posted}/edit", json={"event": {**EVENT, "id": "posted"}}
    )
    assert edited.status_code == 200, edited.text


@pytest.mark.parametrize(
    ("source", "ident", "publish", "offered"),
    [
        ("/shop", "1", False, True),
        ("/shop", "visapi-test:1", False, True),
        ("/shop", "1", True, False),
        ("/hooks/code", "1", False, False),
        ("/hooks/code", "visapi-test:1", False, False),
    ],
)
async def test_an_edit_is_offered_exactly_where_the_service_makes_it(
    gateway: Any, source: str, ident: str, publish: bool, offered: bool
) -> None:
    row = {"source": source, "id": ident, "type": "paid", "body": b"{}", "publish": publish}
    await plant(gateway.db, "events_in", tenant="default", **row)
    letter = await put(gateway, item=[source, ident, "paid"])
    path = f"/v1/dead-letters/{letter}"
    listed = (await gateway.http.get("/v1/dead-letters", params={"kind": "event"})).json()["items"]
    read = (await gateway.http.get(path)).json()
    assert [("edit" in shown["links"]) for shown in (*listed, read)] == [offered, offered]
    # A test run's event has the id that its run gave; the row's is marked.
    event = {**EVENT, "source": source, "id": ident.removeprefix("visapi-test:")}
    answer = await gateway.http.post(f"{path}/edit", json={"event": event})
    assert answer.status_code == (200 if offered else 409), answer.text
    if offered:
        return
    assert answer.json()["code"] == "dead_letter_not_editable"
    assert ("hook" if source.startswith("/hooks/") else "also published") in answer.json()["detail"]


async def test_an_edit_of_a_resolved_letter_is_neither_offered_nor_made(gateway: Any) -> None:
    await plant(gateway.db, "events_in", tenant="default", source="/shop", id="1", type="paid", body=b"{}")
    path = f"/v1/dead-letters/{await put(gateway)}"
    assert "edit" in (await gateway.http.get(path)).json()["links"]
    assert (await gateway.http.post(f"{path}/replay")).status_code == 202
    assert "edit" not in (await gateway.http.get(path)).json()["links"]
    late = await gateway.http.post(f"{path}/edit", json={"event": EVENT})
    assert (late.status_code, late.json()["code"]) == (409, "dead_letter_resolved")


async def test_a_message_that_holds_no_event_is_mended_by_an_edit(gateway: Any) -> None:
    letter = await put(gateway, "message", body=b"no event")
    assert (await gateway.http.post(f"/v1/dead-letters/{letter}/replay")).status_code == 409
    assert (
        await gateway.http.post(f"/v1/dead-letters/{letter}/edit", json={"event": EVENT})
    ).status_code == 200
    assert (await gateway.http.post(f"/v1/dead-letters/{letter}/replay")).status_code == 202


async def test_a_replay_of_many_is_counted_started_once_followed_and_aborted(gateway: Any) -> None:
    for _ in range(3):
        await put(gateway)
    await put(gateway, "lifecycle")
    wanted = {"filter": {"reason": "bad-event"}}
    counted = await gateway.http.post(f"{REPLAYS}/count", json=wanted)
    assert (counted.status_code, counted.json()) == (200, {"count": 3})
    for empty in ({}, {"kind": "task"}):
        refused = await gateway.http.post(f"{REPLAYS}/count", json={"filter": empty})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_body")
    headers = {"Idempotency-Key": "many-1"}
    first, again = [await gateway.http.post(REPLAYS, json=wanted, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202), first.text
    path, replay = first.headers["location"], first.json()
    assert again.json()["id"] == replay["id"]
    assert (replay["state"], replay["counted"], replay["asked"], replay["rate_per_s"]) == (
        "running",
        3,
        0,
        10,
    )
    for _ in range(4):
        assert (await gateway.http.post(REPLAYS, json=wanted)).status_code == 202
    full = await gateway.http.post(REPLAYS, json=wanted)
    assert (full.status_code, full.json()["code"]) == (409, "quota_exceeded")
    aborted = await gateway.http.post(f"{path}/abort", json={"reason": "wrong ones"})
    assert (aborted.status_code, aborted.json()["state"]) == (200, "aborted")
    ended = await gateway.http.post(f"{path}/abort")
    assert (ended.status_code, ended.json()["code"]) == (409, "replay_ended")
    assert len((await gateway.http.get(REPLAYS)).json()["items"]) == 5
    audited = await gateway.db.fetch(
        "select action from visapi.audit where target = $1 order by seq", f"dead-letter-replay:{replay['id']}"
    )
    assert [row["action"] for row in audited] == ["dead-letter.replay-many", "dead-letter.abort"]
