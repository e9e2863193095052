"""A receiver that repeats a secret in every spelling it knows, through every channel: nothing is kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.spellings import SPELLINGS
from visapi.stack.standins.http_server import HttpServer, Request, Response

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACK_SETTINGS: dict[str, str] = {}
"""It searches everything that the stack has written."""

CANARY = 'Kept-c4nary&"<7/=Zq'
HOST = "keptcanaryhost77"
TASKS = {
    "http": "call: http\n      with: {method: get, endpoint: '${ .url }', output: response, headers: {X-Key: '${ $secrets.canary }'}}",
    "webhook": "call: notify.webhook\n      with: {url: '${ .url }', payload: '${ $secrets.canary }'}",
    "slack": "call: notify.slack\n      with: {webhook: '${ .url }', text: '${ $secrets.canary }'}",
    "method": "call: http\n      with: {method: '${ $secrets.canary }', endpoint: '${ .url }'}",
    "uri": "call: http\n      with: {method: get, endpoint: '${ .url }', output: response, query: {q: '${ $secrets.canary }'}}",
    "host": "call: http\n      with: {method: get, endpoint: '${ \"http://\" + $secrets.host + \".invalid/\" }'}",
    "header": "call: http\n      with: {method: get, endpoint: '${ .url }', headers: {A: '${ $secrets.canary + \"\\n\" }'}}",
    "mail": "call: notify.email\n      with: {to: '${ $secrets.canary }', subject: x, text: x}",
    "file": "call: notify.email\n      with: {to: a@b.example, subject: x, text: x, attachments: [{artifact: x, name: '${ \"/\" + $secrets.canary }'}]}",
    "template": "call: notify.email\n      with: {to: a@b.example, data: {x: '${ $secrets.canary }'}, template: '{{ x.y.z }} {% include x %}'}",
}  # fmt: skip


class Parrot:
    """Answers with the secret that it was sent, in the spelling and with the status that its path names."""

    def __init__(self) -> None:
        self.server = HttpServer(self.answer)

    async def answer(self, request: Request) -> Response:
        _, status, kind, name = urlsplit(request.target).path.split("/", 3)
        spelled = SPELLINGS[unquote(name)](CANARY)
        body = spelled.encode("utf-8", "replace")
        if kind == "json":
            return Response(
                int(status), json.dumps({spelled: [spelled]}).encode(), {"content-type": "application/json"}
            )
        return Response(int(status), b"start " + body + b" end", {"content-type": "text/plain"})


@pytest_asyncio.fixture(loop_scope="module")
async def parrot() -> AsyncIterator[Parrot]:
    bird = Parrot()
    await bird.server.start()
    yield bird
    await bird.server.stop()


async def test_no_spelling_of_a_secret_is_kept_anywhere(
    stack: AttackStack, attacker: Tenant, bystander: Bystander, parrot: Parrot
) -> None:
    for name, value in (("canary", CANARY), ("host", HOST)):
        assert (await attacker.client.put(f"/v1/secrets/{name}", json=value)).status_code == 201
    short = await attacker.client.put("/v1/secrets/pin", json="1234")
    assert (short.status_code, short.json()["errors"][0]["pointer"]) == (400, "")
    assert (
        await attacker.client.put("/v1/secrets/pin", json={"value": "1234", "short": True})
    ).status_code == 201
    targets = {name: await attacker.deploy(definition(name, task)) for name, task in TASKS.items()}
    echoes = [
        (target, f"{parrot.server.url}/{status}/{kind}/{spelling}")
        for spelling in SPELLINGS
        for target, status, kind in (
            ("http", 200, "text"),
            ("http", 500, "json"),
            ("webhook", 400, "text"),
            ("slack", 404, "text"),
        )
    ]
    checks = [
        (name, f"{parrot.server.url}/200/text/verbatim")
        for name in ("method", "uri", "host", "header", "mail", "file", "template")
    ]
    async with bystander.at_work("set", "hook", attack="secrets in every spelling"):
        told = [await told_of(attacker, targets[name], url) for name, url in echoes + checks]
    kept = "\n".join([*told, await everything(stack)])
    for name, spell in SPELLINGS.items():
        for secret in (CANARY, HOST):
            for form in {
                spell(secret),
                json.dumps(spell(secret))[1:-1],
                json.dumps(json.dumps(spell(secret))),
            }:
                assert form not in kept, (name, secret)


def definition(name: str, task: str) -> str:
    head = f"document: {{dsl: '1.0.3', namespace: parrot, name: {name}, version: '1.0.0'}}\n"
    return f"{head}use: {{secrets: [canary, host]}}\ndo:\n  - ask:\n      {task}\n"


async def told_of(tenant: Tenant, target: str, url: str) -> str:
    """Everything the API says of a run of this workflow."""
    ended = await tenant.start(target, {"url": url.replace(" ", "%20")}, wait_s=30)
    assert ended.status_code == 200, ended.text
    history = await tenant.client.get(f"/v1/runs/{ended.json()['id']}/history")
    return ended.text + "\n" + history.text


async def everything(stack: AttackStack) -> str:
    """Every row of every table, every log, every stored object."""
    connection = await asyncpg.connect(stack.owner_url)
    found: list[str] = []
    try:
        tables = await connection.fetch(
            "select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'visapi' and c.relkind in ('r', 'p') and not c.relispartition"
        )
        rows = {table["name"]: await rows_of(connection, table["name"]) for table in tables}
    finally:
        await connection.close()
    for table in ("runs_done", "history", "deliveries", "secrets", "audit"):
        assert rows[table], f"the search sees no row of {table}"
    for row in (row for some in rows.values() for row in some):
        found += [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for value in row.values()
        ]
    for path in stack.data_dir.rglob("*"):
        if path.is_file() and (path.suffix == ".log" or "artifacts" in path.parts):
            found.append((await asyncio.to_thread(path.read_bytes)).decode("utf-8", "replace"))
    assert any("parrot" in text for text in found), "the search itself finds what is there"
    return "\n".join(found)


async def rows_of(connection: asyncpg.Connection, table: str) -> list[asyncpg.Record]:
    """All rows of a table. Row-level security is forced on its owner, too, who lifts that within the transaction."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("set local lock_timeout = '20s'")
        await connection.execute(f"alter table visapi.{table} no force row level security")
        return await connection.fetch(f"select * from visapi.{table}")
    finally:
        await transaction.rollback()


async def test_a_refusal_names_no_address_and_has_a_status_of_its_own(
    stack: AttackStack, attacker: Tenant
) -> None:
    head = "document: {dsl: '1.0.3', namespace: parrot, name: inside, version: '1.0.0'}\n"
    target = await attacker.deploy(
        head + "do:\n  - ask:\n      call: http\n      with: {method: get, endpoint: '${ .url }'}\n"
    )
    for url, address in (
        ("http://10.1.2.3:8080/", "10.1.2.3"),
        ("http://[fd00::7]:8080/", "fd00::7"),
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("http://[64:ff9b::a01:203]/", "10.1.2.3"),
    ):
        ended = (await attacker.start(target, {"url": url}, wait_s=30)).json()
        assert (ended["error"]["type"].rpartition("/")[2], ended["error"]["status"]) == ("authorization", 421)
        assert address not in msgspec.json.encode(ended["error"]).decode()
    for url in ("http://xn--/", "http://a b/", "ftp://x.example/", "http://1.2.3/"):
        ended = (await attacker.start(target, {"url": url}, wait_s=30)).json()
        assert (ended["error"]["type"].rpartition("/")[2], ended["error"]["status"]) == ("validation", 400), (
            url
        )
