"""`POST /v1/workflows/simulate`: nothing stored, nothing called, everything told."""

import asyncio
import time
from typing import Any

import pytest

SOURCE = """
document: {dsl: '1.0.3', namespace: demo, name: asked, version: '1.0.0'}
do:
  - ask: {call: acme.ask, with: {n: '${ .n }'}}
  - keep: {set: {answer: '${ . }'}}
"""
ENDLESS = """
document: {dsl: '1.0.3', namespace: demo, name: endless, version: '1.0.0'}
do: [{a: {set: {x: '${ [range(1e12)] | length }'}}}]
"""


async def test_a_definition_is_carried_out_with_what_is_given_and_nothing_is_stored(gateway: Any) -> None:
    body = {"workflow": SOURCE, "input": {"n": 1}, "given": {"ask": {"output": 42}}}
    answer = await gateway.http.post("/v1/workflows/simulate", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["status"], told["output"], told["missing"]) == ("completed", {"answer": 42}, [])
    assert (await gateway.http.get("/v1/workflows/demo/asked")).status_code == 404
    assert await gateway.db.fetchval("select count(*) from visapi.runs") == 0


async def test_a_missing_answer_is_told(gateway: Any) -> None:
    told = (
        await gateway.http.post("/v1/workflows/simulate", json={"workflow": SOURCE, "input": {"n": 1}})
    ).json()
    assert told["stopped"] == "missing"
    assert told["missing"] == [
        {
            "pointer": "/do/0/ask",
            "name": "ask",
            "function": "acme.ask",
            "arguments": {"n": 1},
            "give": 'add to `given`: "/do/0/ask": {"output": …} (or "error")',
        }
    ]


async def test_mistakes_of_the_definition_and_of_what_is_given_are_told_apart(gateway: Any) -> None:
    wrong = await gateway.http.post("/v1/workflows/simulate", json={"workflow": {"do": []}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "definition_invalid")
    assert {error["pointer"] for error in wrong.json()["errors"]} == {"/workflow", "/workflow/do"}
    assert "line" not in wrong.json()["errors"][0]
    text = '{"document": {},\n\t"do": 1}'
    lines = await gateway.http.post("/v1/workflows/simulate", json={"workflow": text})
    assert (lines.json()["errors"][-1]["pointer"], lines.json()["errors"][-1]["line"]) == ("/workflow/do", 2)
    body = {"workflow": SOURCE, "given": {"nobody": {"output": 1}}}
    unknown = await gateway.http.post("/v1/workflows/simulate", json=body)
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (400, "/given/nobody")
    none = await gateway.http.post("/v1/workflows/simulate", json={"workflow": 5})
    assert (none.status_code, none.json()["errors"][0]["pointer"]) == (400, "/workflow")


BOMBS = {
    "endless": "[range(1e12)] | length",
    "memory": '[range(1e9) | "x" * 1000] | length',
    "recursion": "def f: 1 + f; f",
    "growing": 'reduce range(60) as $n ("x"; . + .) | length',
}


def caught(bomb: str) -> dict[str, Any]:
    status = [{"say": {"set": {"status": "${ $error.status }"}}}]
    attempt = {"try": [{"a": {"set": {"x": f"${{ {bomb} }}"}}}], "catch": {"do": status}}
    document = {"dsl": "1.0.3", "namespace": "demo", "name": "caught", "version": "1.0.0"}
    return {"document": document, "do": [{"t": attempt}]}


async def simulated(gateway: Any, workflow: Any, **more: Any) -> Any:
    return await gateway.http.post("/v1/workflows/simulate", json={"workflow": workflow, **more}, timeout=60)


async def test_an_expression_without_end_fails_as_it_does_in_a_run(gateway: Any) -> None:
    ended = await simulated(gateway, ENDLESS)
    assert ended.status_code == 200, ended.text
    told = ended.json()
    assert (told["status"], told["error"]["status"]) == ("faulted", 400)
    assert "exceeded its budget" in told["error"]["detail"]


@pytest.mark.parametrize("name", BOMBS)
async def test_a_try_catches_an_expression_that_exceeds_its_budget(gateway: Any, name: str) -> None:
    answer = await simulated(gateway, caught(BOMBS[name]))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["output"]) == ("completed", {"status": 400}), answer.text


async def test_a_bomb_in_a_loop_ends_its_simulation_and_delays_no_other(gateway: Any) -> None:
    """Each turn catches the error of its bomb and goes on."""
    loop = """
document: {dsl: '1.0.3', namespace: demo, name: loop, version: '1.0.0'}
do:
  - each:
      for: {in: '${ [range(5000)] }'}
      do:
        - t:
            try: [{a: {set: {x: '${ [range(1e12)] | length }'}}}]
            catch: {do: [{w: {wait: {seconds: 1}}}]}
"""
    async with gateway.client(await gateway.key("other")) as other:

        async def known() -> bool:
            return (await other.get("/v1/keys/current")).status_code == 200

        assert (
            await gateway.http.post("/v1/keys", json={"name": "makes the gateway read its keys"})
        ).is_success
        await gateway.until(known)
        bombs = [asyncio.create_task(simulated(gateway, loop)) for _ in range(4)]
        body = {"workflow": SOURCE, "input": {"n": 1}, "given": {"ask": {"output": 1}}}
        slowest = 0.0
        while not all(bomb.done() for bomb in bombs):
            began = time.monotonic()
            assert (await other.post("/v1/workflows/simulate", json=body)).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    print(f"\nsimulations of another tenant beside four bombs: {slowest:.2f} s at most")
    told = [bomb.result().json() for bomb in bombs]
    ends = [answer.get("code") or answer["status"] for answer in told]
    # A run of so many expressions over budget is faulted, unless the time of the whole simulation is over first.
    assert set(ends) <= {"simulation_ended", "faulted", "too_many_open"}, told
    assert ends.count("too_many_open") <= 2, "two take turns, and the others wait for them"
    assert slowest < 15


async def test_a_key_that_may_only_start_runs_may_not_simulate(gateway: Any) -> None:
    async with gateway.client(await gateway.key(scopes=("runs:write",))) as client:

        async def known() -> bool:
            return (await client.get("/v1/keys/current")).status_code == 200

        await gateway.until(known)
        answer = await client.post("/v1/workflows/simulate", json={"workflow": SOURCE})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
