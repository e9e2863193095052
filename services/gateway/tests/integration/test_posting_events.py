"""`POST /v1/events`: committed before it is answered, harmless to repeat."""

import asyncio
from typing import Any

import msgspec
import pytest

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "paid",
    "data": {"order": 7},
}
STRUCTURED = {"content-type": "application/cloudevents+json"}


async def stored(gateway: Any) -> list[dict[str, Any]]:
    rows = await gateway.db.fetch("select tenant, body from visapi.events_in order by source, id")
    return [{"tenant": row["tenant"], **msgspec.json.decode(row["body"])} for row in rows]


async def test_a_structured_event_is_committed_under_the_tenant_of_the_key(gateway: Any):
    answer = await gateway.http.post("/v1/events", json=GOOD, headers=STRUCTURED)
    assert answer.status_code == 202
    assert answer.json() == {"items": [{"id": "1", "source": "/shop", "duplicate": False}]}
    assert await stored(gateway) == [{"tenant": "default", **GOOD}]


async def test_an_event_posted_again_is_a_duplicate(gateway: Any):
    await gateway.http.post("/v1/events", json=GOOD, headers=STRUCTURED)
    again = await gateway.http.post("/v1/events", json=GOOD, headers=STRUCTURED)
    assert again.status_code == 202
    assert again.json()["items"][0]["duplicate"] is True
    assert len(await stored(gateway)) == 1


async def test_a_batch_may_hold_the_same_event_twice(gateway: Any):
    batch = [GOOD, {**GOOD, "id": "2"}, GOOD]
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = await gateway.http.post("/v1/events", json=batch, headers=headers)
    assert [item["duplicate"] for item in answer.json()["items"]] == [False, False, True]


async def test_of_requests_at_once_with_one_event_exactly_one_is_no_duplicate(gateway: Any):
    posts = [gateway.http.post("/v1/events", json=GOOD, headers=STRUCTURED) for _ in range(20)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    duplicates = [answer.json()["items"][0]["duplicate"] for answer in answers]
    assert sorted(duplicates) == [False, *[True] * 19]
    assert len(await stored(gateway)) == 1


async def test_each_of_many_requests_at_once_is_answered_for_its_own_events(gateway: Any):
    await gateway.http.post("/v1/events", json={**GOOD, "id": "e-3"}, headers=STRUCTURED)
    batches = [[{**GOOD, "id": f"e-{n}"}, {**GOOD, "id": f"f-{n}"}] for n in range(20)]
    headers = {"content-type": "application/cloudevents-batch+json"}
    answers = await asyncio.gather(
        *(gateway.http.post("/v1/events", json=batch, headers=headers) for batch in batches)
    )
    for n, answer in enumerate(answers):
        assert [(item["id"], item["duplicate"]) for item in answer.json()["items"]] == [
            (f"e-{n}", n == 3),
            (f"f-{n}", False),
        ]
    assert len(await stored(gateway)) == 40


async def test_an_event_that_postgresql_refuses_fails_its_own_request_only(gateway: Any):
    await gateway.db.execute("alter table visapi.events_in add constraint no_bad check (id <> 'bad')")
    ids = [*(f"e-{n}" for n in range(5)), "bad", *(f"f-{n}" for n in range(5))]
    answers = await asyncio.gather(
        *(gateway.http.post("/v1/events", json={**GOOD, "id": each}, headers=STRUCTURED) for each in ids)
    )
    refused = {each for each, answer in zip(ids, answers, strict=True) if answer.status_code != 202}
    assert refused == {"bad"}
    assert {event["id"] for event in await stored(gateway)} == set(ids) - {"bad"}


async def test_binary_mode_takes_the_body_as_data(gateway: Any):
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "b",
        "ce-source": "/cam",
        "ce-type": "shot",
        "content-type": "image/png",
    }
    answer = await gateway.http.post("/v1/events", content=b"\x89PNG", headers=headers)
    assert answer.status_code == 202
    (event,) = await stored(gateway)
    assert (event["datacontenttype"], event["data_base64"]) == ("image/png", "iVBORw==")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({**GOOD, "type": None}, ""), ({**GOOD, "time": "noon"}, "/time"), ([GOOD], ""), ("x", "")],
)
async def test_what_is_no_event_is_told_where(gateway: Any, body: Any, pointer: str):
    answer = await gateway.http.post("/v1/events", json=body, headers=STRUCTURED)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await stored(gateway) == []


async def test_a_key_without_the_scope_may_not_post(gateway: Any):
    made = await gateway.http.post("/v1/keys", json={"name": "reader", "scopes": ["runs:read"]})
    client = gateway.client(made.json()["key"])
    answer = await client.post("/v1/events", json=GOOD, headers=STRUCTURED)
    assert answer.status_code == 403
    await client.aclose()
