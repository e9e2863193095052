"""Large outputs in the history, which lie in the artifact store, as clients see them."""

from pathlib import Path
from typing import Any

import msgspec

from kit.ledger_rows import overwrite
from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.large_values import sealed, split
from visapi_engine.machine.history import STRUCTURE
from visapi_engine.machine.state import STRUCTURE as STATE
from visapi_engine.machine.state import DoFrame, Failed, ResumePoint, State, encode_state
from visapi_gateway.runs.reading import follow as follow_run

SSE = {"Accept": "text/event-stream"}
ROWS = [{"id": n, "name": "somebody"} for n in range(5000)]
SCAN = {"pages": ROWS, "scan": "x" * 300_000, "n": 1}


def item(seq: int, output: Any, kind: str = "task.completed") -> dict[str, Any]:
    return {"seq": seq, "type": kind, "time": "2026-01-01T00:00:00Z", "data": {"output": output}}


async def begun(gateway: Any, folder: Path, *transitions: list[dict[str, Any]]) -> str:
    """A run with these items, written as the orchestrator writes them."""
    await gateway.deploy()
    run = (await gateway.start(1)).json()["id"]
    store = PayloadStore.open((folder / "artifacts").as_uri())
    for items in transitions:
        whole = msgspec.json.encode(items)
        small, taken = split(whole, INLINE_LIMIT, STRUCTURE)
        if taken:
            refs = {one.value: await store.pack("default", one.value) for one in taken}
            small = sealed(small, taken, refs)
            assert len(small) < INLINE_LIMIT
        await gateway.write(run, small, len(items))
    await gateway.progress(run, ["workflow.completed"], status="completed")
    return run


def outputs(items: list[dict[str, Any]]) -> list[Any]:
    return [item["data"]["output"] for item in items if "data" in item]


async def test_history_shows_large_outputs_whole_as_json_and_as_a_stream(
    gateway: Any, tmp_path: Path
) -> None:
    run = await begun(
        gateway, tmp_path, [item(1, {"n": 1})], [item(2, SCAN), item(3, 2), item(4, "y" * 100_000)]
    )
    expected = [{"n": 1}, SCAN, 2, "y" * 100_000]
    page = (await gateway.http.get(f"/v1/runs/{run}/history")).json()
    assert (outputs(page["items"]), page["next"]) == (expected, None)
    assert [item["seq"] for item in page["items"]] == [1, 2, 3, 4, 5]
    stream = await gateway.http.get(f"/v1/runs/{run}/history", headers=SSE)
    told = [
        msgspec.json.decode(line[6:]) for line in stream.text.split("\n") if line.startswith('data: {"seq"')
    ]
    assert outputs(told) == expected
    after = (await gateway.http.get(f"/v1/runs/{run}/history?after=2&limit=1")).json()
    assert outputs(after["items"]) == [2]


async def test_a_page_of_large_outputs_ends_earlier_and_the_next_goes_on(
    gateway: Any, tmp_path: Path
) -> None:
    large = "z" * (follow_run.PAGE_BYTES // 3)
    run = await begun(gateway, tmp_path, *([item(n, f"{n}{large}")] for n in range(1, 6)))
    seen: list[list[int]] = []
    cursor: str | None = None
    while not seen or cursor is not None:
        params = {} if cursor is None else {"cursor": cursor}
        page = (await gateway.http.get(f"/v1/runs/{run}/history", params=params)).json()
        seen.append([item["seq"] for item in page["items"]])
        cursor = page["next"]
    assert seen == [[1, 2], [3, 4], [5, 6]]


async def test_an_output_that_the_store_has_lost_is_null_and_the_rest_is_shown(
    gateway: Any, tmp_path: Path
) -> None:
    run = await begun(gateway, tmp_path, [item(1, SCAN), item(2, ["y" * 100_000]), item(3, 3)])
    lost = [path for path in (tmp_path / "artifacts").rglob("*.json") if b"x" * 1000 in path.read_bytes()]
    for path in lost:
        path.unlink()
    page = (await gateway.http.get(f"/v1/runs/{run}/history")).json()
    assert outputs(page["items"]) == [None, ["y" * 100_000], 3]


async def test_a_reference_to_another_tenant_is_never_followed(gateway: Any, tmp_path: Path) -> None:
    run = await begun(gateway, tmp_path, [item(1, "y" * 100_000)])
    query = "select items from visapi.history where run = $1 and first_seq = 1"
    items: bytes = await gateway.db.fetchval(query, run)
    foreign = items.replace(b"payloads/default/", b"payloads/other/")
    await overwrite(gateway.db, "history", {"run": run, "first_seq": 1}, items=foreign)
    page = (await gateway.http.get(f"/v1/runs/{run}/history")).json()
    assert outputs(page["items"]) == [None]


async def test_a_faulted_run_whose_state_has_large_values_can_be_retried(
    gateway: Any, tmp_path: Path
) -> None:
    run = await begun(gateway, tmp_path)
    failed = Failed(pointer="/do/0/greet", path="/do/0/greet", parent="", how="enter", raw={"name": SCAN})
    state = State(
        run=run, started=1, status=RunStatus.FAULTED, resume=ResumePoint(failed, 1, {"": DoFrame()})
    )
    small, taken = split(encode_state(state), INLINE_LIMIT, STATE)
    refs = {one.value: Payload(ref=f"payloads/default/{'0' * 64}.json", size=1, sha256="0") for one in taken}
    await overwrite(gateway.db, "runs_done", {"id": run}, status="faulted", resume=sealed(small, taken, refs))
    answer = await gateway.http.post(
        f"/v1/runs/{run}/retry", json={"reason": "mended", "input": {"name": "Ada"}}
    )
    assert answer.status_code == 202, answer.text
    told = await gateway.db.fetch("select kind from visapi.inbox where run = $1", run)
    assert [row["kind"] for row in told] == ["retry"]
