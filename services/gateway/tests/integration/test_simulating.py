"""`POST /v1/workflows/simulate`: nothing stored, nothing called, everything told."""

from typing import Any

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


async def test_an_expression_without_end_is_a_problem_of_its_caller_alone(gateway: Any) -> None:
    ended = await gateway.http.post("/v1/workflows/simulate", json={"workflow": ENDLESS})
    assert (ended.status_code, ended.json()["code"]) == (422, "simulation_ended")
    body = {"workflow": SOURCE, "input": {"n": 1}, "given": {"ask": {"output": 1}}}
    assert (await gateway.http.post("/v1/workflows/simulate", json=body)).status_code == 200


async def test_a_key_that_may_only_start_runs_may_not_simulate(gateway: Any) -> None:
    async with gateway.client(await gateway.key(scopes=("runs:write",))) as client:

        async def known() -> bool:
            return (await client.get("/v1/keys/current")).status_code == 200

        await gateway.until(known)
        answer = await client.post("/v1/workflows/simulate", json={"workflow": SOURCE})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
