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

from e2e.running_stack import RunningStack, running_stack
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
    url = guarded.server.url
    async with (
        running_stack(tmp_path, {"VISAPI_EGRESS_ALLOW": "127.0.0.0/8"}) as stack,
        stack.client() as client,
    ):
        for name, value in (
            ("login", {"username": "ada", "password": PASSWORD}),
            ("token", {"value": TOKEN, "hosts": ["127.0.0.1"]}),
            ("elsewhere", {"value": TOKEN, "hosts": ["api.example.com"]}),
            ("app", CLIENT),
        ):
            assert (await client.put(f"/v1/secrets/{name}", json=value)).status_code == 201
        listed = (await client.get("/v1/secrets")).json()["items"]
        assert [item["name"] for item in listed] == ["app", "elsewhere", "login", "token"]
        assert PASSWORD not in (await client.get("/v1/secrets")).text

        policy = f"{{oauth2: {{authority: '{url}', grant: client_credentials, client: {CLIENT_PARTS}}}}}"
        use = (
            f"use: {{secrets: [login, token, app, elsewhere, absent], authentications: {{app: {policy}}}}}\n"
        )
        outcomes = {
            "basic": await run(client, "basic", call(f"{url}/basic", "{basic: {use: login}}", use)),
            "parts": await run(
                client,
                "parts",
                call(
                    f"{url}/basic", "{basic: {username: ada, password: '${ $secrets.login.password }'}}", use
                ),
            ),
            "digest": await run(client, "digest", call(f"{url}/digest", "{digest: {use: login}}", use)),
            "bearer": await run(
                client,
                "bearer",
                f"{use}do: [{{go: {{input: {{from: '${{ {{auth: (\"Bearer \" + $secrets.token)}} }}'}}, call: http, with: "
                f"{{method: get, endpoint: '{url}/bearer', headers: {{authorization: '${{ .auth }}'}}}}}}}}]",
            ),
            "oauth": await run(client, "oauth", call(f"{url}/oauth", "{use: app}", use)),
            "oidc": await run(
                client,
                "oidc",
                call(
                    f"{url}/oidc",
                    f"{{oidc: {{authority: '{url}/auth', grant: client_credentials, client: {{id: me, secret: '${{ $secrets.app }}'}}}}}}",
                    use,
                ),
            ),
        }
        for name, outcome in outcomes.items():
            assert outcome["status"] == "completed", (name, outcome)
            assert outcome["output"]["in"] is True
        assert outcomes["bearer"]["output"]["echo"] == "Bearer ***"

        tokens = guarded.tokens
        again = await client.post("/v1/workflows/auth/oauth/runs", headers={"Prefer": "wait=20"})
        assert again.json()["status"] == "completed"
        assert guarded.tokens <= tokens + 1, "a token that is refused is asked for anew, else kept"
        guarded.valid = "revoked meanwhile"
        renewed = await client.post("/v1/workflows/auth/oauth/runs", headers={"Prefer": "wait=20"})
        assert renewed.json()["status"] == "completed"

        for name, policy in (("hosts", "elsewhere"), ("missing", "absent")):
            refused = await run(
                client, name, call(f"{url}/bearer", f"{{bearer: {{token: '${{ $secrets.{policy} }}'}}}}", use)
            )
            assert (refused["error"]["status"], refused["error"]["type"].rpartition("/")[2]) == (
                403,
                "authorization",
            )

        told = await run(
            client,
            "told",
            call(f"{url}/basic", "{basic: {use: login}}", use).replace(
                "{go: {", "{go: {output: {as: '${ $authorization }'}, "
            ),
        )
        assert told["output"] == {"scheme": "Basic", "parameter": "***"}

        pet = await run(
            client,
            "pets",
            f"do: [{{go: {{call: openapi, with: {{document: {{endpoint: '{url}/openapi.json'}}, operationId: getPet, "
            "parameters: {petId: 7, tag: [a, b], X-Tag: t}}}}]",
        )
        assert pet["output"] == {"id": 7, "query": "tag=a&tag=b", "h": "t"}
        typo = await run(
            client,
            "typo",
            f"do: [{{go: {{call: openapi, with: {{document: {{endpoint: '{url}/openapi.json'}}, operationId: getPat}}}}}}]",
        )
        assert "getPet" in typo["error"]["detail"]
        await nothing_kept(stack, tmp_path)


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
