"""A tenant asks for everything of another one: each operation of the OpenAPI document, with the ids of the other in
its path, query, body and headers.

Nothing of the other tenant is shown, nothing of it changes, and whatever exists there is answered like what exists
nowhere. A new operation, parameter or body fails here until `kit.every_operation` says what to put into it.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from kit.every_operation import (
    FORGED,
    HIDDEN,
    OWN,
    TABLES,
    YAML,
    Victim,
    ids_in,
    known,
    likeness,
    nowhere,
    operations,
    plant,
    query_value,
    request_of,
    rows,
    send,
)
from kit.servers import NatsServer
from kit.verifying_notifier import VerifyingNotifier, verifying_notifier
from visapi_gateway.slices import operations as route_table

ALIKE = {"readApprovalPage", "submitApprovalPage", "receiveWebhook", "verifyWebhook"}
"""Public operations, whose answer depends on a token or a signature, and on no key."""
ENDS = ("/rotate", "/disable", "/suspend", "/erase")
REFUSED = {400, 401, 403, 404, 409, 410, 422}


@pytest.fixture
async def victim(gateway: Any, tmp_path: Path) -> AsyncIterator[Victim]:
    async with gateway.client(await gateway.key("victim")) as client:
        await known(gateway, client)
        yield await plant(gateway, client, tmp_path)


@pytest.fixture
async def notifier(shared_nats: NatsServer) -> AsyncIterator[VerifyingNotifier]:
    async with verifying_notifier(shared_nats) as standing:
        yield standing


@pytest.fixture
async def attacker(gateway: Any, victim: Victim) -> AsyncIterator[httpx.AsyncClient]:
    """A key of kind `admin`: whatever a tenant's key can be allowed."""
    async with gateway.client(await gateway.key("attacker", kind="admin")) as client:
        await known(gateway, client)
        answer = await client.post("/v1/workflows", content=OWN, headers=YAML)
        assert answer.status_code == 201, answer.text
        yield client


async def walk(
    gateway: Any, victim: Victim, clients: Mapping[str, httpx.AsyncClient], token: str
) -> dict[str, list[str]]:
    """What each operation of the document gives away of the victim to a client, by the name of the operation.
    Operations that end something come last; `clients` are by tag, with one for all others as `""`.
    """
    document = (await gateway.http.get("/openapi.json")).json()
    found: dict[str, list[str]] = {}
    things = victim.things
    for method, path, operation in sorted(operations(document), key=order):
        name, [tag] = operation["operationId"], operation["tags"]
        client = clients.get(tag, clients[""])
        if operation.get("security") == [] and "{" not in path:
            continue
        found[name] = []
        queries = [None] + [
            {parameter["name"]: value}
            for parameter in operation.get("parameters", [])
            if parameter.get("in") == "query"
            and (value := query_value(name, parameter["name"], things)) is not None
        ]
        for which in (things, {**things, "run": things["ended"]}):
            for query in queries:
                answer = await send(client, request_of(operation, method, path, which, token), params=query)
                where = f"{method} {path} {query}: {answer.status_code} {answer.text[:500]}"
                given_away = answer.status_code >= 500 or HIDDEN in answer.text
                if query is None and ids_in(path) and not given_away:
                    other = nowhere(which)
                    again = await send(client, request_of(operation, method, path, other, token))
                    given_away = answer.status_code not in REFUSED
                    given_away |= likeness(answer, which) != likeness(again, other)
                if given_away:
                    found[name].append(where)
    return found


def order(one: tuple[str, str, dict[str, Any]]) -> int:
    """What ends a thing comes after what needs the thing, and what ends the tenant comes last."""
    method, path, _ = one
    ends = method == "DELETE" or path.endswith(ENDS)
    return ends * (1 + (method == "DELETE") + 2 * path.startswith("/v1/tenants/"))


async def bulk_token(victim: Victim) -> str:
    count = {"action": "cancel", "filter": {"parent": victim.things["run"]}}
    return (await victim.client.post("/v1/runs/bulk/count", json=count)).json()["token"]


async def test_no_operation_shows_or_changes_anything_of_another_tenant(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient, notifier: VerifyingNotifier
) -> None:
    token, before = await bulk_token(victim), await rows(gateway)
    assert all(
        before[table] for table in TABLES if table not in {"run_attributes", "schedule_fires", "families"}
    )
    found = await walk(gateway, victim, {"": attacker}, token)
    assert {name: places for name, places in found.items() if places} == {}
    known_by_path = {each.name for each in route_table() if not each.public or "{" in each.path}
    assert set(found) == known_by_path, "the walk asks for every route"
    assert await rows(gateway) == before
    assert {one.tenant for one in notifier.asked} == {"attacker"}, (
        "accounts of its own are tried, and no others"
    )


async def test_the_walk_finds_what_a_key_of_the_same_tenant_sees_or_it_would_prove_nothing(
    gateway: Any, victim: Victim
) -> None:
    """Every operation about a thing is asked for by somebody who may: the walk has to notice each."""
    async with gateway.client(await gateway.key("victim", kind="admin")) as owner:
        await known(gateway, owner)
        found = await walk(gateway, victim, {"": owner, "tenants": gateway.http}, await bulk_token(victim))
    document = (await gateway.http.get("/openapi.json")).json()
    about = {each["operationId"] for _, path, each in operations(document) if ids_in(path)} - ALIKE
    assert len(about) > 40
    assert {name for name in about if not found[name]} == set()


async def test_names_that_both_use_are_each_ones_own(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    before = await rows(gateway)
    assert (await attacker.get("/v1/workflows/theirs/flow")).status_code == 404
    assert (await attacker.post("/v1/workflows/theirs/flow/runs", json=1)).status_code == 404
    assert (await attacker.delete("/v1/secrets/their-secret")).status_code == 404
    assert (await attacker.delete("/v1/retention/theirs")).status_code == 404
    same = OWN.replace("namespace: ours", "namespace: theirs")
    assert (await attacker.post("/v1/workflows", content=same, headers=YAML)).status_code == 201
    assert (
        await attacker.put("/v1/secrets/their-secret", json="a value of the attacker's")
    ).status_code == 201
    assert (await attacker.put("/v1/retention/theirs", json={"days": 365})).status_code == 200
    started = await attacker.post(
        "/v1/workflows/theirs/flow/runs", json={"n": 1}, headers={"Idempotency-Key": "one-key"}
    )
    assert (started.status_code, started.headers.get("idempotent-replayed")) == (202, None)
    told = await attacker.post(
        f"/v1/runs/{started.json()['id']}/suspend", json={}, headers={"Idempotency-Key": "two-key"}
    )
    assert (told.status_code, told.headers.get("idempotent-replayed")) == (202, None)
    assert await rows(gateway) == before


async def test_cursors_links_and_places_of_a_stream_open_nothing_of_another_tenant(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    for method, path, operation in operations(document):
        lists = {parameter.get("name") for parameter in operation.get("parameters", [])} >= {
            "cursor",
            "limit",
        }
        if not lists or "{" in path or operation["tags"] == ["tenants"]:
            continue  # No tenant's key lists tenants.
        first = await victim.client.request(method, path, params={"limit": 1})
        cursor = first.json()["next"] or FORGED
        answer = await attacker.get(path, params={"limit": 1, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), path
    link = urlsplit(victim.link)
    query = dict(parse_qsl(link.query))
    signature = query["signature"]
    other = ("1" if signature[0] == "0" else "0") + signature[1:]
    for spoiled in ({**query, "tenant": "attacker"}, {**query, "signature": other}):
        assert (await attacker.get(link.path, params=spoiled)).status_code in {403, 404}
    run = victim.things["run"]
    for place in ("0", "1", "-1", "9" * 30, "\xa0", run):
        headers = {"Accept": "text/event-stream", "Last-Event-ID": place.encode("latin-1")}
        answer = await attacker.get(f"/v1/runs/{run}/history", headers=headers)
        assert answer.status_code in {400, 404}, answer.text
        assert HIDDEN not in answer.text


async def test_no_header_says_whose_a_request_is(
    gateway: Any, victim: Victim, attacker: httpx.AsyncClient
) -> None:
    path = f"/v1/runs/{victim.things['run']}"
    for name in (
        "X-Tenant",
        "X-Visapi-Tenant",
        "Tenant",
        "X-Forwarded-User",
        "X-Original-URL",
        "X-HTTP-Method-Override",
    ):
        for value in ("victim", path, "default"):
            answer = await attacker.get(path, headers={name: value})
            assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
