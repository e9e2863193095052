"""What a client sees of a run whose error nobody caught, and how it is taken up again."""

from kit.running_stack import view_of
from kit.stack import StackProcess

WORKFLOW = """
document: { dsl: "1.0.3", namespace: e2e, name: failing, version: "1.0.0" }
do:
  - refuse:
      raise:
        error: { type: "https://example.com/errors/too-late", status: 410, title: Too late, detail: "${ .why }" }
"""


async def test_a_faulted_run_is_read_with_its_error_and_its_history_ends_with_it(stack: StackProcess):
    async with view_of(stack).client() as client:
        deployed = await client.post(
            "/v1/workflows", content=WORKFLOW, headers={"Content-Type": "application/yaml"}
        )
        assert deployed.status_code == 201, deployed.text
        started = await client.post(
            "/v1/workflows/e2e/failing/runs", json={"why": "it was yesterday"}, headers={"Prefer": "wait=20"}
        )
        assert started.status_code == 200, started.text
        run = started.json()
        history = (await client.get(f"/v1/runs/{run['id']}/history")).json()["items"]
    assert run["status"] == "faulted"
    assert run["error"] == {
        "type": "https://example.com/errors/too-late",
        "status": 410,
        "title": "Too late",
        "detail": "it was yesterday",
        "instance": "/do/0/refuse",
    }
    assert [item["type"] for item in history][-2:] == ["task.faulted", "workflow.faulted"]
    assert history[-1]["data"]["error"] == run["error"]


RECKON = """
document: { dsl: "1.0.3", namespace: e2e, name: reckon, version: "VERSION" }
do:
  - first: { set: { amount: "${ .amount }", seen: true } }
  - reckon: { set: { cents: "${ .amount | tonumber * 100 }" } }
  - tell: { set: { text: "TEXT", cents: "${ .cents }" } }
"""
_YAML = {"Content-Type": "application/yaml"}


async def test_a_faulted_run_is_taken_up_with_another_input_under_a_newer_version(stack: StackProcess):
    async with view_of(stack).client() as client:
        for version, text in (("1.0.0", "old"), ("1.1.0", "new")):
            source = RECKON.replace("VERSION", version).replace("TEXT", text)
            assert (await client.post("/v1/workflows", content=source, headers=_YAML)).status_code == 201
        other = RECKON.replace("VERSION", "2.0.0").replace("reckon: {", "count: {")
        assert (await client.post("/v1/workflows", content=other, headers=_YAML)).status_code == 201
        start = "/v1/workflows/e2e/reckon/runs?version=1.0.0"
        run = (await client.post(start, json={"amount": "many"}, headers={"Prefer": "wait=20"})).json()
        assert (run["status"], run["error"]["instance"]) == ("faulted", "/do/1/reckon")
        retry = run["links"]["retry"]

        refused = await client.post(retry, json={"version": "2.0.0"})
        assert (refused.status_code, refused.json()["code"]) == (409, "version_not_compatible")
        assert "/do/1/reckon is not there" in refused.json()["detail"]

        again = await client.post(retry, json={"reason": "try"})
        assert again.status_code == 202, again.text
        mended = await client.post(
            retry, json={"input": {"amount": "3"}, "version": "1.1.0", "reason": "a number at last"}
        )
        assert mended.status_code == 202, mended.text
        run = (await client.get(run["links"]["self"])).json()
        assert (run["status"], run["output"]) == ("completed", {"text": "new", "cents": 300})
        assert run["workflow"]["version"] == "1.1.0"
        items = (await client.get(f"/v1/runs/{run['id']}/history")).json()["items"]
        resumed = [item["data"] for item in items if item["type"] == "workflow.resumed"]
        assert [(data["reason"], data["retried"]) for data in resumed] == [
            ("try", "/do/1/reckon"),
            ("a number at last", "/do/1/reckon"),
        ]
        assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
        ended = await client.post(retry, json={})
        assert (ended.status_code, ended.json()["code"]) == (409, "run_not_faulted")
