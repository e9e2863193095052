"""What a client sees of a run whose error nobody caught."""

from pathlib import Path

from e2e.running_stack import running_stack

WORKFLOW = """
document: { dsl: "1.0.3", namespace: e2e, name: failing, version: "1.0.0" }
do:
  - refuse:
      raise:
        error: { type: "https://example.com/errors/too-late", status: 410, title: Too late, detail: "${ .why }" }
"""


async def test_a_faulted_run_is_read_with_its_error_and_its_history_ends_with_it(tmp_path: Path):
    async with running_stack(tmp_path, {}) as stack, stack.client() as client:
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
