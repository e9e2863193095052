"""Keys that are shown are revoked, streams of revoked keys end, and nobody learns which keys exist."""

import asyncio
from typing import Any

import pytest

from kit.servers import NatsServer
from visapi_common.core.api_keys import mint, parse

REPORT = "/v1/keys/report-leak"


async def report(gateway: Any, key: str, **more: Any) -> Any:
    async with gateway.client(None) as nobody:
        return await nobody.post(REPORT, json={"key": key, **more})


async def test_a_key_that_is_shown_is_revoked_audited_and_counted(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()
    answer = await report(gateway, made["key"], found_at="https://example.com/gist/1")
    assert answer.status_code == 202
    shown = (await gateway.http.get(f"/v1/keys/{made['id']}")).json()
    assert shown["status"] == "revoked"
    assert shown["reason"] == "reported as leaked: https://example.com/gist/1"
    async with gateway.client(made["key"]) as client:
        assert (await client.get("/v1/keys/current")).status_code == 401
    last = (await gateway.http.get("/v1/audit")).json()["items"][0]
    assert (last["action"], last["actor"], last["target"]) == ("key.leak", "leak-report", f"key:{made['id']}")
    assert (last["reason"], last["request_id"]) == (shown["reason"], answer.headers["x-request-id"])
    registry = gateway.lifecycle.metrics.registry
    assert registry.get_sample_value("visapi_keys_leaked_total") == 1
    again = await report(gateway, made["key"])
    assert (again.status_code, again.json()) == (202, answer.json())
    assert registry.get_sample_value("visapi_keys_leaked_total") == 1
    assert len((await gateway.http.get("/v1/audit")).json()["items"]) == 2
    assert made["key"] not in (await gateway.http.get("/v1/audit")).text


async def test_the_answer_is_the_same_for_every_key(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()["key"]
    disabled = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()
    await gateway.http.post(f"/v1/keys/{disabled['id']}/disable", json={"reason": "x"})
    known = parse(made).id
    shown = (mint("live", 1, 2), _with_id(known, 5), made, made, disabled["key"])
    answers = [await report(gateway, key) for key in shown]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    headers = [
        {k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id"}} for answer in answers
    ]
    assert all(each == headers[0] for each in headers)
    assert (await gateway.http.get(f"/v1/keys/{disabled['id']}")).json()["status"] == "revoked"


def _with_id(known: str, secret: int) -> str:
    """A key with the id of another, another secret, and a right checksum."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for digit in known:
        number = number * 62 + alphabet.index(digit)
    return mint("live", number, secret)


async def test_a_wrong_secret_revokes_nothing(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()
    assert (await report(gateway, _with_id(made["id"], 5))).status_code == 202
    async with gateway.client(made["key"]) as client:
        assert (await client.get("/v1/keys/current")).status_code == 200


@pytest.mark.parametrize("key", ["", "visapi_live_x", "x" * 200, "sk_live_51H", "visapi_live_" + "0" * 66])
async def test_a_text_that_is_no_key_is_called_so(gateway: Any, key: str) -> None:
    answer = await report(gateway, key)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/key")


async def test_an_address_reports_only_so_much(gateway: Any) -> None:
    answers = [await report(gateway, mint("live", n, n)) for n in range(13)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert (await gateway.http.get("/v1/keys/current")).status_code == 200, "requests with a key go on"


async def test_junk_from_an_address_keeps_no_key_from_being_revoked(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()
    shared = (mint("live", 1, 1), "x" * 90)
    answers = [await report(gateway, shared[n % 2]) for n in range(14)]
    assert {answer.status_code for answer in answers} == {202, 400, 429}
    assert (await report(gateway, made["key"])).status_code == 202
    assert (await gateway.http.get(f"/v1/keys/{made['id']}")).json()["status"] == "revoked"
    again = [(await report(gateway, made["key"])).status_code for _ in range(3)]
    assert 429 in again, "it is revoked already"


async def test_a_place_that_no_text_column_holds_is_refused(gateway: Any) -> None:
    made = (await gateway.http.post("/v1/keys", json={"name": "ci"})).json()
    for text in (r"a\u0000b", r"\ud800"):
        body = f'{{"key": "{made["key"]}", "found_at": "{text}"}}'
        async with gateway.client(None) as nobody:
            headers = {"Content-Type": "application/json"}
            answer = await nobody.post(REPORT, content=body, headers=headers)
        assert answer.status_code == 400, answer.text


async def test_a_stream_ends_with_its_key_on_each_gateway(serve: Any, nats_server: NatsServer) -> None:
    async with serve(nats_server) as one, serve(nats_server) as two:
        await one.deploy()
        run = (await one.start(1)).json()["id"]
        ways = {
            "revoked": lambda key: one.http.delete(f"/v1/keys/{key['id']}"),
            "narrowed": lambda key: one.http.patch(
                f"/v1/keys/{key['id']}", json={"scopes": ["runs:write"]}, headers={"If-Match": "*"}
            ),
            "disabled": lambda key: one.http.post(f"/v1/keys/{key['id']}/disable", json={"reason": "x"}),
            "leaked": lambda key: report(one, key["key"]),
        }
        for name, end in ways.items():
            made = (await one.http.post("/v1/keys", json={"name": "ci"})).json()
            async with two.client(made["key"]) as client:
                await two.until(lambda c=client: _known(c))
                headers = {"Accept": "text/event-stream"}
                async with client.stream("GET", f"/v1/runs/{run}/history", headers=headers) as stream:
                    assert stream.status_code == 200
                    reading = asyncio.create_task(_whole(stream))
                    await asyncio.sleep(0.1)
                    assert not reading.done()
                    assert (await end(made)).is_success
                    async with asyncio.timeout(3):
                        text = await reading
            assert "event: end" not in text, name


async def _known(client: Any) -> bool:
    return (await client.get("/v1/keys/current")).status_code == 200


async def _whole(stream: Any) -> str:
    return "".join([part async for part in stream.aiter_text()])
