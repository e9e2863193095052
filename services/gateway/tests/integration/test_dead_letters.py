"""What was set aside is seen, mended and put back: over HTTP, once, by whom it belongs to."""

import uuid
from typing import Any

import pytest

from kit.ledger_rows import overwrite, plant
from kit.servers import NatsServer
from visapi_common.adapters.bus import Bus
from visapi_common.contracts import subjects

REPLAYABLE = ("message", "event", "emit", "schedule", "function", "timer", "inbox", "run", "webhook")

EVENT = b'{"specversion": "1.0", "id": "1", "source": "/shop", "type": "paid", "data": {"total": 5}}'


async def put(
    gateway: Any,
    kind: str | None = "event",
    *,
    tenant: str = "default",
    body: bytes | None = b"{}",
    item: tuple[str, ...] = ("/shop", "1"),
    reason: str = "bad-event",
) -> str:
    """A letter, also of a kind or with a body that a release of before has left."""
    letter = uuid.uuid4()
    if kind == "message" and body == b"{}":
        body, item = EVENT, (f"visapi.events.{tenant}.paid",)
    await plant(
        gateway.db,
        "dead_letters",
        id=letter,
        tenant=tenant,
        service="orchestrator",
        reason=reason,
        detail="PostgreSQL refused (23514)",
        kind=kind,
        item=list(item),
        body=body,
        digest=letter.bytes,
    )
    return str(letter)


async def state(gateway: Any, letter: str) -> tuple[Any, ...]:
    row = await gateway.db.fetchrow(
        "select resolution, resolved_by, resolved_at is not null as resolved from visapi.dead_letters where id = $1",
        letter,
    )
    return tuple(row)


async def audited(gateway: Any) -> list[tuple[str, str, str | None]]:
    rows = await gateway.db.fetch(
        "select action, target, reason from visapi.audit where action like 'dead-letter.%' and action <> 'dead-letter.read' order by seq"
    )
    return [tuple(row) for row in rows]


async def client_of(gateway: Any, tenant: str = "default", **key: Any) -> Any:
    """A client whose key the gateway knows."""
    client = gateway.client(await gateway.key(tenant, **key))
    await gateway.http.post("/v1/keys", json={"name": "makes the gateway read its keys"})

    async def known() -> bool:
        return (await client.get("/v1/dead-letters")).status_code != 401

    await gateway.until(known)
    return client


async def test_a_letter_shows_what_a_person_needs_to_mend_it(gateway: Any) -> None:
    told = 'é \x1b[2J "x"\n'.encode() + b"\xff\x00" + "\u202e".encode()
    letter = await put(gateway, body=told)
    shown = (await gateway.http.get(f"/v1/dead-letters/{letter}")).json()
    assert (shown["kind"], shown["item"], shown["size"]) == ("event", ["/shop", "1"], len(told))
    assert shown["text"] == 'é \\x1b[2J "x"\n\\xff\\x00\\u202e'
    assert shown["reason"] == "bad-event"
    assert "23514" in shown["detail"]
    assert (shown["tenant"], shown["replayed_at"]) == ("default", None)
    assert shown["links"]["replay"] == f"/v1/dead-letters/{letter}/replay"


async def test_the_text_ends_after_4_kib_at_a_whole_character(gateway: Any) -> None:
    letter = await put(gateway, body=b"x" + "é".encode() * 5000)
    shown = (await gateway.http.get(f"/v1/dead-letters/{letter}")).json()
    assert (shown["size"], shown["text"]) == (10_001, "x" + "é" * 2047)


async def test_letters_are_found_by_kind_and_by_whether_they_are_resolved(gateway: Any) -> None:
    task, event, message = await put(gateway, None), await put(gateway), await put(gateway, "message")
    for letter in (event, message):
        assert (await gateway.http.post(f"/v1/dead-letters/{letter}/replay")).status_code == 202

    async def found(query: str, client: Any) -> set[str]:
        page = await client.get(f"/v1/dead-letters?{query}")
        assert page.status_code == 200, page.text
        return {item["id"] for item in page.json()["items"]}

    for client in (gateway.http, await client_of(gateway)):
        assert await found("", client) == {task, event, message}
        assert await found("kind=event", client) == {event}
        assert await found("kind=task", client) == {task}
        assert await found("resolved=false", client) == {task}
        assert await found("resolved=true&kind=message", client) == {message}
        assert (await client.get("/v1/dead-letters?kind=letter")).status_code == 400


@pytest.mark.parametrize("kind", REPLAYABLE)
async def test_a_replay_is_committed_audited_and_hinted(
    gateway: Any, shared_nats: NatsServer, kind: str
) -> None:
    letter = await put(gateway, kind)
    bus = await Bus.connect(shared_nats.url(), "test")
    hints: list[Any] = []
    await bus.subscribe(subjects.CONTROL_REPLAYS, hints.append)
    await bus.flush()
    path = f"/v1/dead-letters/{letter}/replay"
    answer = await gateway.http.post(path, json={"reason": "the constraint is gone"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/dead-letters/{letter}"
    shown = answer.json()
    assert (shown["resolution"], shown["replayed_at"]) == ("replay", None)
    assert await state(gateway, letter) == ("replay", shown["resolved_by"], True)
    assert shown["resolved_by"].startswith("key:")
    again = await gateway.http.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "dead_letter_resolved")
    assert await audited(gateway) == [
        ("dead-letter.replay", f"dead-letter:{letter}", "the constraint is gone")
    ]

    async def hinted() -> bool:
        return bool(hints)

    await gateway.until(hinted)
    await bus.close()


async def test_one_idempotency_key_is_one_replay(gateway: Any) -> None:
    letter, other = await put(gateway), await put(gateway)
    headers = {"Idempotency-Key": "replay-1"}
    first, again = [
        await gateway.http.post(f"/v1/dead-letters/{letter}/replay", headers=headers) for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    for path, body in ((letter, {"reason": "another request"}), (other, {})):
        answer = await gateway.http.post(f"/v1/dead-letters/{path}/replay", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")
    assert await state(gateway, other) == (None, None, False)
    assert len(await audited(gateway)) == 1


async def test_a_key_is_not_used_up_by_a_replay_that_is_refused(gateway: Any) -> None:
    letter, other = await put(gateway), await put(gateway)
    await gateway.http.post(f"/v1/dead-letters/{letter}/replay")
    headers = {"Idempotency-Key": "replay-1"}
    refused = await gateway.http.post(f"/v1/dead-letters/{letter}/replay", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter_resolved")
    answer = await gateway.http.post(f"/v1/dead-letters/{other}/replay", headers=headers)
    assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (202, None)


@pytest.mark.parametrize("kind", [None, "lifecycle"])
async def test_what_has_no_place_to_go_back_to_is_not_replayed(gateway: Any, kind: str | None) -> None:
    letter = await put(gateway, kind)
    answer = await gateway.http.post(f"/v1/dead-letters/{letter}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "dead_letter_not_replayable")
    assert ("/resolve" in answer.json()["detail"]) == (kind is None)
    assert await state(gateway, letter) == (None, None, False)
    assert await audited(gateway) == []
    assert "replay" not in (await gateway.http.get(f"/v1/dead-letters/{letter}")).json()["links"]


@pytest.mark.parametrize(
    ("subject", "body", "said"),
    [
        ("visapi.engine.3.result", b"caf\xe9", "have its sender send a readable message"),
        ("visapi.engine.3.result", EVENT, "have its sender send a readable message"),
        ("visapi.events.default.paid", b"caf\xe9", "neither a structured nor a binary CloudEvent: not UTF-8"),
        ("visapi.events.default.paid", b'{"id": 1}', 'the attribute "specversion" is missing'),
        ("visapi.events.default.paid", b"[" * 100_000, "nested deeper than"),
    ],
)
async def test_a_message_that_holds_no_event_is_refused_at_once_and_stays_open(
    gateway: Any, subject: str, body: bytes, said: str
) -> None:
    between = subject.startswith("visapi.engine.")
    reason = "unreadable" if between else "bad-event"
    letter = await put(gateway, "message", body=body, item=(subject,), reason=reason)
    answer = await gateway.http.post(f"/v1/dead-letters/{letter}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "dead_letter_not_replayable")
    assert said in answer.json()["detail"]
    assert await state(gateway, letter) == (None, None, False)
    assert await audited(gateway) == []
    links = (await gateway.http.get(f"/v1/dead-letters/{letter}")).json()["links"]
    assert ("replay" in links) == (not between)


async def test_a_binary_event_with_its_headers_is_replayed(gateway: Any) -> None:
    letter = await put(gateway, "message", body=b"\xff\x00", item=("visapi.events.default.paid",))
    headers = b'{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "paid"}'
    path = f"/v1/dead-letters/{letter}/replay"
    assert (await gateway.http.post(path)).status_code == 409
    await overwrite(gateway.db, "dead_letters", {}, headers=headers)
    assert (await gateway.http.post(path)).status_code == 202


async def test_a_replay_needs_the_right_scope_the_right_tenant_and_a_letter(gateway: Any) -> None:
    letter = await put(gateway)
    reader = await client_of(gateway, scopes=("dead-letters:read",))
    assert (await reader.post(f"/v1/dead-letters/{letter}/replay")).status_code == 403
    for kind in ("live", "admin"):
        other = await client_of(gateway, "other", kind=kind)
        assert (await other.post(f"/v1/dead-letters/{letter}/replay")).status_code == 404
        assert (await other.get("/v1/dead-letters")).json()["items"] == []
    assert (await gateway.http.post(f"/v1/dead-letters/{uuid.uuid4()}/replay")).status_code == 404
    assert await state(gateway, letter) == (None, None, False)


@pytest.mark.parametrize("nobody", ["", "_", "later", "a b"])
async def test_letters_of_nobody_are_for_admin_keys_only(gateway: Any, nobody: str) -> None:
    letter = await put(gateway, "function", tenant=nobody)
    path = f"/v1/dead-letters/{letter}"
    live = await client_of(gateway)
    assert (await live.get(path)).status_code == 404
    assert (await live.get("/v1/dead-letters")).json()["items"] == []
    assert (await live.post(f"{path}/replay")).status_code == 404
    assert (await live.post(f"{path}/resolve", json={"decision": "fault"})).status_code == 404
    shown = (await gateway.http.get("/v1/dead-letters")).json()["items"]
    assert [(item["id"], item["tenant"]) for item in shown] == [(letter, nobody)]
    answer = await gateway.http.post(f"{path}/replay", json={"reason": "made"})
    assert answer.status_code == 202, answer.text
    assert await state(gateway, letter) == ("replay", answer.json()["resolved_by"], True)
    assert await audited(gateway) == [("dead-letter.replay", f"dead-letter:{letter}", "made")]


async def test_an_admin_who_reads_what_is_not_their_tenants_stands_in_the_audit(gateway: Any) -> None:
    own, foreign = await put(gateway), await put(gateway, "function", tenant="later")
    await gateway.http.get(f"/v1/dead-letters/{own}")
    await gateway.http.get("/v1/dead-letters", params={"kind": "event"})
    items = (await gateway.http.get("/v1/audit")).json()["items"]
    assert [item for item in items if item["action"] == "dead-letter.read"] == []
    assert (await gateway.http.get(f"/v1/dead-letters/{foreign}")).status_code == 200
    assert len((await gateway.http.get("/v1/dead-letters")).json()["items"]) == 2
    items = (await gateway.http.get("/v1/audit", params={"action": "dead-letter.read"})).json()["items"]
    assert [item["target"] for item in items] == ["dead-letters", f"dead-letter:{foreign}"]
    assert all(item["details"] == {"letters": [foreign], "tenants": ["later"]} for item in items)
    assert all(item["actor"].startswith("key:") for item in items)


async def test_nothing_is_shown_that_cannot_be_audited(gateway: Any) -> None:
    foreign = await put(gateway, "function", tenant="later")
    await gateway.db.execute("revoke insert on visapi.audit from visapi_gateway")
    answer = await gateway.http.get(f"/v1/dead-letters/{foreign}")
    assert answer.status_code == 503
    assert "later" not in answer.text


async def test_a_tenant_that_is_made_later_takes_its_letters_over(gateway: Any) -> None:
    letter = await put(gateway, "message", tenant="later")
    assert (await gateway.http.get(f"/v1/dead-letters/{letter}")).status_code == 200
    refused = await gateway.http.post(f"/v1/dead-letters/{letter}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter_not_replayable")
    assert "there is no tenant 'later'" in refused.json()["detail"]
    owner = await client_of(gateway, "later")
    assert (await owner.get(f"/v1/dead-letters/{letter}")).status_code == 200
    assert (await gateway.http.get(f"/v1/dead-letters/{letter}")).status_code == 404
    assert (await owner.post(f"/v1/dead-letters/{letter}/replay")).status_code == 202
