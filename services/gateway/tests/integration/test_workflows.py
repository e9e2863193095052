"""Deployed versions never change."""

from datetime import UTC, datetime
from typing import Any

from kit.ledger_rows import overwrite, plant
from visapi_common.contracts.task_messages import FunctionSpec


async def test_the_same_content_again_is_200_and_other_content_409(gateway: Any) -> None:
    first, again = await gateway.deploy(), await gateway.deploy()
    other = await gateway.deploy(gateway.hello.replace("Hello ", "Goodbye "))
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 409]
    assert first.headers["location"] == "/v1/workflows/demo/hello/versions/1.0.0"
    assert other.json()["code"] == "workflow_version_exists"


async def test_a_dry_run_validates_and_stores_nothing(gateway: Any) -> None:
    headers = {"Content-Type": "application/yaml"}
    answer = await gateway.http.post("/v1/workflows?dry_run=true", content=gateway.hello, headers=headers)
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert await gateway.db.fetchval("select count(*) from visapi.workflows") == 0


async def test_mistakes_come_with_pointers(gateway: Any) -> None:
    answer = await gateway.deploy(
        "document: {dsl: '1.0.3', namespace: demo, name: x, version: '1'}\ndo: []\n"
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "definition_invalid")
    assert all(error["detail"] for error in problem["errors"])


async def test_mistakes_in_a_text_come_with_line_and_column(gateway: Any) -> None:
    head = "document: {dsl: '1.0.3', namespace: demo, name: x, version: '1.0.0'}\n"
    wrong = (await gateway.deploy(head + "do:\n  - a:\n      set: 1\n")).json()
    assert [(one["pointer"], one["line"], one["column"]) for one in wrong["errors"]] == [
        ("/do/0/a/set", 4, 7)
    ]
    unreadable = await gateway.deploy(head + "do: [\n")
    assert unreadable.status_code == 422
    (mistake,) = unreadable.json()["errors"]
    assert (mistake["line"], mistake["column"]) == (3, 1)


async def test_arguments_are_held_against_what_the_tenants_own_workers_announced(gateway: Any) -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}}
    for owner in ("default", "other"):
        spec = FunctionSpec("acme.pay", input_schema=schema if owner == "default" else {"type": "null"})
        await gateway.orchestrator.announce(owner, spec)
    source = (
        "document: {dsl: '1.0.3', namespace: demo, name: pays, version: '1.0.0'}\n"
        "do: [{pay: {call: acme.pay, with: {amount: ten}}}]\n"
    )
    for answer in (
        await gateway.deploy(source),
        await gateway.http.post("/v1/workflows/simulate", json={"workflow": source}),
    ):
        (mistake,) = answer.json()["errors"]
        assert (answer.status_code, mistake["line"]) == (422, 2)
        assert mistake["pointer"].removeprefix("/workflow") == "/do/0/pay/with/amount"
    assert (await gateway.deploy(source.replace("ten", "10"))).status_code == 201


async def test_stored_functions_that_cannot_be_read_or_were_set_aside_are_passed_over(gateway: Any) -> None:
    for version, schema in (("1.0.0", {"type": "object"}), ("2.0.0", {"type": "null"})):
        spec = FunctionSpec("acme.pay", version=version, input_schema=schema)
        await gateway.orchestrator.announce("default", spec)
    aside = {"owner": "default", "name": "acme.pay", "version": "2.0.0"}
    await overwrite(gateway.db, "functions", aside, quarantined_at=datetime.now(UTC))
    for name, spec in (("acme.garbled", b"\xff{"), ("acme.deep", b"[" * 100_000)):
        await plant(gateway.db, "functions", owner="default", name=name, version="1", spec=spec)
    source = (
        "document: {dsl: '1.0.3', namespace: demo, name: pays, version: '1.0.0'}\n"
        "do: [{pay: {call: acme.pay, with: {amount: 10}}}]\n"
    )
    assert (await gateway.deploy(source)).status_code == 201
    listed = await gateway.http.get("/v1/functions")
    assert listed.status_code == 200
    names = {function["name"] for function in listed.json()["items"]}
    assert "acme.pay" in names
    assert not names & {"acme.garbled", "acme.deep"}


async def test_an_input_schema_that_cannot_be_compiled_is_refused_at_deployment(gateway: Any) -> None:
    answer = await gateway.deploy(gateway.strict.replace("type: object", "type: nonsense"))
    assert (answer.status_code, answer.json()["code"]) == (422, "definition_invalid")


async def test_the_source_comes_back_as_it_was_sent(gateway: Any) -> None:
    await gateway.deploy()
    path = "/v1/workflows/demo/hello/versions/1.0.0"
    as_yaml = await gateway.http.get(path, headers={"Accept": "application/yaml"})
    as_json = await gateway.http.get(path)
    assert (as_yaml.text, as_yaml.headers["content-type"]) == (gateway.hello, "application/yaml")
    assert (as_json.json()["title"], as_json.json()["version"]) == ("Hello", "1.0.0")


async def test_versions_are_listed_by_precedence_and_workflows_by_their_highest(gateway: Any) -> None:
    versions = ["1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0"]
    for version in versions:
        assert (await gateway.deploy(gateway.hello.replace("1.0.0", version))).status_code == 201
    await gateway.deploy(gateway.strict)
    page = (await gateway.http.get("/v1/workflows/demo/hello/versions?limit=3")).json()
    rest = (
        await gateway.http.get(
            "/v1/workflows/demo/hello/versions", params={"limit": 3, "cursor": page["next"]}
        )
    ).json()
    assert [item["version"] for item in page["items"] + rest["items"]] == versions[::-1]
    first = (await gateway.http.get("/v1/workflows?limit=1")).json()
    second = (await gateway.http.get("/v1/workflows", params={"limit": 1, "cursor": first["next"]})).json()
    found = [(item["name"], item["version"]) for item in first["items"] + second["items"]]
    assert found == [("hello", "1.10.0"), ("strict", "1.0.0")]
    assert second["next"] is None


async def test_a_page_of_large_definitions_ends_early_and_the_next_goes_on(gateway: Any) -> None:
    def large(version: str) -> str:
        note = "x" * 600_000
        return gateway.hello.replace("1.0.0", version) + f"  - note: {{set: {{text: '{note}'}}}}\n"

    versions = [f"1.{minor}.0" for minor in range(9)]
    for version in versions:
        assert (await gateway.deploy(large(version))).status_code == 201
    seen: list[str] = []
    pages, cursor = 0, {}
    while True:
        answer = await gateway.http.get("/v1/workflows/demo/hello/versions", params={"limit": 100, **cursor})
        page = answer.json()
        seen += [item["version"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == versions[::-1]
    assert pages > 1
