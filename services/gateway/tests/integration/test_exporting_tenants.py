"""An export holds everything of one tenant, page by page, and says whether it is whole."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx

from kit.every_operation import HIDDEN, Victim, known, plant
from visapi_gateway.tenants.exporting import PAGE

EMPTY = {"schedule_fires", "endpoint_attempts", "functions", "payloads", "usage"}
"""Sections without a row here: nothing has fired, been sent, registered, been that large or been added up."""


async def planted(gateway: Any, client: httpx.AsyncClient, folder: Path) -> Victim:
    await known(gateway, client)
    victim = await plant(gateway, client, folder)
    events = [
        {"specversion": "1.0", "type": "many", "source": "/many", "id": str(n), "data": HIDDEN}
        for n in range(PAGE + 10)
    ]
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    assert (await client.post("/v1/events", content=json.dumps(events), headers=batch)).status_code == 202
    return victim


async def test_an_export_holds_all_of_one_tenant_without_secrets_and_proves_that_it_is_whole(
    gateway: Any, tmp_path: Path
) -> None:
    await gateway.deploy()
    token = await gateway.key("victim")
    async with gateway.client(token) as client:
        victim = await planted(gateway, client, tmp_path)
        answer = await gateway.http.get("/v1/tenants/victim/export")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        audit = (await client.get("/v1/audit")).json()["items"]
    assert audit[0]["action"] == "tenant.export"
    *lines, last = answer.content.splitlines(keepends=True)
    manifest, end = json.loads(lines[0])["manifest"], json.loads(last)["end"]
    assert end["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest()
    rows = [json.loads(each) for each in lines[1:]]
    counted: dict[str, int] = {}
    for row in rows:
        counted[row["section"]] = counted.get(row["section"], 0) + 1
    assert end["lines"] == counted
    assert set(manifest["sections"]) - set(counted) <= EMPTY
    assert counted["events"] > PAGE + 10, "more than a page"
    own = [row["row"] for row in rows if row["section"] in ("runs", "runs_done")]
    assert {run["id"] for run in own} >= {victim.things["run"], victim.things["ended"]}
    [secret] = [row["row"] for row in rows if row["section"] == "secrets"]
    assert set(secret) == {"name", "hosts", "updated_at", "updated_by"}
    assert b"demo" not in answer.content, "nothing of another tenant"
    assert token.rpartition("_")[2].encode() not in answer.content
    pieces = [row for row in rows if row["section"] == "artifacts"]
    assert b"".join(base64.b64decode(piece["base64"]) for piece in pieces) == HIDDEN.encode()


async def test_there_is_no_export_of_nobody_and_none_for_a_tenants_own_key(gateway: Any) -> None:
    assert (await gateway.http.get("/v1/tenants/nobody/export")).status_code == 404
    async with gateway.client(await gateway.key("acme", kind="admin")) as acme:
        await known(gateway, acme)
        assert (await acme.get("/v1/tenants/acme/export")).status_code == 403
