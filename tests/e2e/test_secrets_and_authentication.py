"""Secrets and authentication on a whole stack, against a server that asks for both.

One workflow per way to authenticate; afterwards no row, no log and no answer holds a credential.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import msgspec
import pytest

from kit.certificates import Authority, TlsServer
from kit.running_stack import RunningStack, running_stack
from visapi.stack.standins.http_server import HttpServer, Request, Response

PASSWORD = "pa55-word-kept"
TOKEN = "static-t0ken-kept"
CLIENT = "client-s3cret-kept"
CLIENT_PARTS = "{id: me, secret: '${ $secrets.app }'}"
JSON = {"content-type": "application/json"}


class Guarded:
    """A server with doors of every kind; `seen` keeps what came."""

    def __init__(self) -> None:
        self.server = HttpServer(self.answer)
        self.seen: list[Request] = []
        self.tokens = 0
        self.valid = ""

    async def answer(self, request: Request) -> Response:
        self.seen.append(request)
        path = urlsplit(request.target).path
        given = request.headers.get("authorization", "")
        if path == "/basic":
            wanted = "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
            return _door(given == wanted)
        if path == "/bearer":
            return _door(given == f"Bearer {TOKEN}", {"echo": given})
        if path == "/digest":
            return self._digest(request, given)
        if path in ("/oauth", "/oidc"):
            return _door(bool(self.valid) and given == f"Bearer {self.valid}")
        if path in ("/oauth2/token", "/auth/tokens"):
            return self._token(request)
        return self._document(request, path)

    def _document(self, request: Request, path: str) -> Response:
        query, tag = urlsplit(request.target).query, request.headers.get("x-tag")
        documents = {
            "/auth/.well-known/openid-configuration": {"token_endpoint": f"{self.server.url}/auth/tokens"},
            "/pets/7": {"id": 7, "query": query, "h": tag},
            "/openapi.json": _DOCUMENT,
        }
        return _json(documents[path]) if path in documents else Response(404)

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("client_secret") != CLIENT or form.get("grant_type") != "client_credentials":
            return _json({"error": "invalid_client"}, 401)
        self.tokens += 1
        self.valid = f"token-{self.tokens}"
        return _json({"access_token": self.valid, "token_type": "bearer", "expires_in": 3600})

    def _digest(self, request: Request, given: str) -> Response:
        def digest(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
        secret, what = digest(f"ada:vault:{PASSWORD}"), digest(f"GET:{request.target}")
        proof = digest(f"{secret}:n0nce:{fields.get('nc')}:{fields.get('cnonce')}:auth:{what}")
        if fields.get("response") == proof:
            return _json({"in": True})
        ask = 'Digest realm="vault", nonce="n0nce", qop="auth", algorithm=SHA-256'
        return Response(401, b"", {"www-authenticate": ask})


_DOCUMENT = {
    "openapi": "3.0.3",
    "servers": [{"url": "/"}],
    "paths": {
        "/pets/{petId}": {
            "get": {
                "operationId": "getPet",
                "parameters": [
                    {"name": "petId", "in": "path", "required": True},
                    {"name": "tag", "in": "query", "schema": {"type": "array"}},
                    {"name": "X-Tag", "in": "header"},
                ],
            }
        }
    },
}


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(value), JSON)


def _door(opens: bool, more: dict[str, Any] | None = None) -> Response:
    return _json({"in": True, **(more or {})}) if opens else _json({"in": False}, 401)


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    world = Guarded()
    await world.server.start()
    yield world
    await world.server.stop()


async def run(client: httpx.AsyncClient, name: str, text: str, value: Any = None) -> dict[str, Any]:
    head = f"document: {{dsl: '1.0.3', namespace: auth, name: {name}, version: '1.0.0'}}\n"
    deployed = await client.post(
        "/v1/workflows", content=head + text, headers={"content-type": "application/yaml"}
    )
    assert deployed.status_code == 201, deployed.text
    started = await client.post(f"/v1/workflows/auth/{name}/runs", json=value, headers={"Prefer": "wait=20"})
    return started.json()


def call(url: str, policy: str, use: str = "") -> str:
    return f"{use}do: [{{go: {{call: http, with: {{method: get, endpoint: {{uri: '{url}', authentication: {policy}}}}}}}}}]"


async def test_every_way_to_authenticate_works_and_no_credential_is_kept(guarded: Guarded, tmp_path: Path):
    settings = {"VISAPI_EGRESS_ALLOW": "127.0.0.0/8"}
    async with running_stack(tmp_path, settings) as stack, stack.client() as client:
        await store_secrets(client)
        await all_ways_in(client, guarded)
        await tokens_are_kept_and_renewed(client, guarded)
        await refusals(client, guarded)
        await openapi_calls(client, guarded)
        await nothing_kept(stack, tmp_path)


async def test_a_client_certificate_is_shown_to_its_host_and_kept_nowhere(tmp_path: Path):
    clients, servers = Authority("clients"), Authority("servers")
    (tmp_path / "ca.pem").write_text(servers.pem)
    server = TlsServer(servers.context(tmp_path, clients=clients))
    chain, key = clients.issue("visapi")
    strange = dict(zip(("certificate", "key"), Authority("nobody").issue("visapi"), strict=True))
    settings = {"VISAPI_EGRESS_ALLOW": "127.0.0.0/8", "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    use = "use: {secrets: [partner, strange, elsewhere]}\n"
    try:
        async with running_stack(tmp_path, settings) as stack, stack.client() as client:
            value = {"certificate": chain, "key": key}
            for name, secret in (
                ("partner", value),
                ("strange", strange),
                ("elsewhere", {"value": value, "hosts": ["api.example.com"]}),
            ):
                assert (await client.put(f"/v1/secrets/{name}", json=secret)).status_code == 201
            outcomes = {
                name: await run(
                    client, name, call(f"{server.url}/in", f"{{certificate: {{use: {name}}}}}", use)
                )
                for name in ("partner", "strange", "elsewhere")
            }
            parts = "{certificate: {certificate: '${ $secrets.partner.certificate }', key: '${ $secrets.partner.key }'}}"
            outcomes["parts"] = await run(client, "parts", call(f"{server.url}/in", parts, use))
    finally:
        server.stop()
    assert {name: outcome["status"] for name, outcome in outcomes.items()} == {
        "partner": "completed",
        "strange": "faulted",
        "elsewhere": "faulted",
        "parts": "completed",
    }
    assert server.seen == [("/in", "visapi")] * 2
    assert "another client certificate" in outcomes["strange"]["error"]["detail"]
    assert outcomes["elsewhere"]["error"]["status"] == 403
    secret = key.splitlines()[1]
    for log in (tmp_path / "data" / "logs").glob("*.log"):
        assert secret not in log.read_text("utf-8", "replace"), log.name


async def store_secrets(client: httpx.AsyncClient) -> None:
    for name, value in (
        ("login", {"username": "ada", "password": PASSWORD}),
        ("token", {"value": TOKEN, "hosts": ["127.0.0.1"]}),
        ("elsewhere", {"value": TOKEN, "hosts": ["api.example.com"]}),
        ("app", CLIENT),
    ):
        assert (await client.put(f"/v1/secrets/{name}", json=value)).status_code == 201
    listed = await client.get("/v1/secrets")
    assert [item["name"] for item in listed.json()["items"]] == ["app", "elsewhere", "login", "token"]
    assert PASSWORD not in listed.text


def uses(url: str) -> str:
    policy = f"{{oauth2: {{authority: '{url}', grant: client_credentials, client: {CLIENT_PARTS}}}}}"
    secrets = "login, token, app, elsewhere, absent"
    return f"use: {{secrets: [{secrets}], authentications: {{app: {policy}}}}}\n"


async def all_ways_in(client: httpx.AsyncClient, guarded: Guarded) -> None:
    url = guarded.server.url
    use = uses(url)
    oidc = f"{{oidc: {{authority: '{url}/auth', grant: client_credentials, client: {CLIENT_PARTS}}}}}"
    parts = "{basic: {username: ada, password: '${ $secrets.login.password }'}}"
    header = (
        f"{use}do: [{{go: {{input: {{from: '${{ {{auth: (\"Bearer \" + $secrets.token)}} }}'}}, call: http, "
        f"with: {{method: get, endpoint: '{url}/bearer', headers: {{authorization: '${{ .auth }}'}}}}}}}}]"
    )
    texts = {
        "basic": call(f"{url}/basic", "{basic: {use: login}}", use),
        "parts": call(f"{url}/basic", parts, use),
        "digest": call(f"{url}/digest", "{digest: {use: login}}", use),
        "bearer": header,
        "oauth": call(f"{url}/oauth", "{use: app}", use),
        "oidc": call(f"{url}/oidc", oidc, use),
    }
    for name, text in texts.items():
        outcome = await run(client, name, text)
        assert outcome["status"] == "completed", (name, outcome)
        assert outcome["output"]["in"] is True
        if name == "bearer":
            assert outcome["output"]["echo"] == "Bearer ***"


async def tokens_are_kept_and_renewed(client: httpx.AsyncClient, guarded: Guarded) -> None:
    async def again() -> None:
        answer = await client.post("/v1/workflows/auth/oauth/runs", headers={"Prefer": "wait=20"})
        assert answer.json()["status"] == "completed"

    await again()
    tokens = guarded.tokens
    await again()
    assert guarded.tokens == tokens, "a token that is accepted is kept"
    guarded.valid = "revoked meanwhile"
    await again()
    assert guarded.tokens == tokens + 1, "one that is refused is asked for anew"


async def refusals(client: httpx.AsyncClient, guarded: Guarded) -> None:
    url = guarded.server.url
    use = uses(url)
    for name, secret in (("hosts", "elsewhere"), ("missing", "absent")):
        policy = f"{{bearer: {{token: '${{ $secrets.{secret} }}'}}}}"
        refused = await run(client, name, call(f"{url}/bearer", policy, use))
        kind = refused["error"]["type"].rpartition("/")[2]
        assert (refused["error"]["status"], kind) == (403, "authorization")
    text = call(f"{url}/basic", "{basic: {use: login}}", use)
    told = await run(client, "told", text.replace("{go: {", "{go: {output: {as: '${ $authorization }'}, "))
    assert told["output"] == {"scheme": "Basic", "parameter": "***"}


async def openapi_calls(client: httpx.AsyncClient, guarded: Guarded) -> None:
    document = f"document: {{endpoint: '{guarded.server.url}/openapi.json'}}"
    parameters = "parameters: {petId: 7, tag: [a, b], X-Tag: t}"
    body = f"do: [{{go: {{call: openapi, with: {{{document}, operationId: getPet, {parameters}}}}}}}]"
    pet = await run(client, "pets", body)
    assert pet["output"] == {"id": 7, "query": "tag=a&tag=b", "h": "t"}
    typo = await run(client, "typo", body.replace("getPet", "getPat"))
    assert "getPet" in typo["error"]["detail"]


async def nothing_kept(stack: RunningStack, folder: Path) -> None:
    """No credential in any table or log."""
    data = folder / "data"
    passwords = msgspec.json.decode((data / "secrets.json").read_bytes())["postgres"]
    port = next(
        process["ports"]["postgres"]
        for process in msgspec.json.decode((data / "state.json").read_bytes())["processes"]
        if process["name"] == "postgres"
    )
    owner = next(iter(set(passwords) - {"visapi_gateway", "visapi_orchestrator", "visapi_notifier"}))
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user=owner, password=passwords[owner], database="visapi"
    )
    try:
        tables = await connection.fetch(
            "select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'visapi' and c.relkind in ('r', 'p') and not c.relispartition"
        )
        for table in tables:
            rows = await connection.fetch(f"select * from visapi.{table['name']}")
            text = b"".join(
                value if isinstance(value, bytes) else str(value).encode()
                for row in rows
                for value in row.values()
            )
            for secret in (PASSWORD, TOKEN, CLIENT, "token-1"):
                assert secret.encode() not in text, (table["name"], secret)
    finally:
        await connection.close()
    logs = b"".join(
        await asyncio.gather(*(asyncio.to_thread(path.read_bytes) for path in data.rglob("*.log")))
    )
    assert not [secret for secret in (PASSWORD, TOKEN, CLIENT) if secret.encode() in logs]
