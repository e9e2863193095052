"""The world around the suite's stack: services under well-known origins, answered by stand-ins on a thread.

`https://petstore.swagger.io` and `https://httpbin.org` answer what the specification's kit asks of them;
`https://api.example.com` answers what a scenario scripted.
"""

import asyncio
import base64
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from visapi.stack.standins.http_server import HttpServer, Request, Response
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi_common.contracts import subjects

API = "https://api.example.com"
_JSON = {"content-type": "application/json"}
_SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "host": "petstore.swagger.io",
    "basePath": "/v2",
    "schemes": ["https"],
    "paths": {
        "/pet/findByStatus": {
            "get": {
                "operationId": "findPetsByStatus",
                "parameters": [{"name": "status", "in": "query", "required": True, "type": "string"}],
                "responses": {"200": {"description": "pets"}},
            }
        },
        "/pet/{petId}": {
            "get": {
                "operationId": "getPetById",
                "parameters": [{"name": "petId", "in": "path", "required": True, "type": "integer"}],
                "responses": {"200": {"description": "a pet"}},
            }
        },
    },
}


class Scripted(msgspec.Struct, forbid_unknown_fields=True):
    """One answer of `api.example.com`; the last of a path is repeated."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}
    delay: float = 0.0


class World:
    """The stand-ins and what they were asked."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        answers = {
            "https://petstore.swagger.io": petstore,
            "https://httpbin.org": httpbin,
            API: self._scripted,
        }
        self._servers = {origin: HttpServer(answer) for origin, answer in answers.items()}
        self.mail = SmtpSink()
        self.script: dict[str, list[Scripted]] = {}
        self.asked: list[Request] = []
        self.told: list[dict[str, Any]] = []

    def start(self) -> dict[str, str]:
        """Start all; the settings that lead a stack's traffic to them."""
        self._thread.start()
        origins = {origin: self._await(server.start()) for origin, server in self._servers.items()}
        return {
            "VISAPI_SMTP_URL": self._await(self.mail.start()),
            "VISAPI_EGRESS_ORIGINS": json.dumps(origins),
        }

    @contextmanager
    def listening(self, url: str) -> Iterator[None]:
        """Hear the lifecycle events that the stack publishes meanwhile."""
        ear = self._await(self._listen(url))
        try:
            yield
        finally:
            self._await(ear.close())

    def stop(self) -> None:
        for standin in (*self._servers.values(), self.mail):
            self._await(standin.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def forget(self) -> None:
        """A new scenario: nothing scripted, nothing asked, nothing told."""
        self.script, self.asked, self.told = {}, [], []

    def times_asked(self, path: str) -> int:
        return sum(urlsplit(request.target).path == path for request in self.asked)

    def last_asked(self, path: str) -> Request:
        return [request for request in self.asked if urlsplit(request.target).path == path][-1]

    async def _listen(self, url: str) -> Client:
        ear = await nats.connect(url)
        await ear.subscribe(subjects.lifecycle("default", ">"), cb=self._hear)
        await ear.flush()
        return ear

    async def _hear(self, message: Msg) -> None:
        self.told.append(msgspec.json.decode(message.data))

    async def _scripted(self, request: Request) -> Response:
        self.asked.append(request)
        answers = self.script.get(urlsplit(request.target).path, [])
        if not answers:
            return Response(404, b'{"error": "nothing scripted here"}', _JSON)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        body = b"" if answer.body is None else msgspec.json.encode(answer.body)
        return Response(answer.status, body, {**_JSON, **answer.headers}, delay_s=answer.delay)

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)


async def petstore(request: Request) -> Response:
    """Pets by number and by status, and its own description."""
    path = urlsplit(request.target).path
    if path == "/v2/swagger.json":
        return Response(200, msgspec.json.encode(_SWAGGER), _JSON)
    if path == "/v2/pet/findByStatus":
        return Response(200, msgspec.json.encode([_pet(1), _pet(2)]), _JSON)
    number = path.removeprefix("/v2/pet/")
    if number.isdigit():
        return Response(200, msgspec.json.encode(_pet(int(number))), _JSON)
    return Response(404, b'{"message": "no such pet"}', _JSON)


async def httpbin(request: Request) -> Response:
    """`/basic-auth/{user}/{password}`: 200 to who says the same in the header."""
    _, kind, user, password = [*urlsplit(request.target).path.split("/"), "", "", ""][:4]
    wanted = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    if kind != "basic-auth":
        return Response(404, b"{}", _JSON)
    if request.headers.get("authorization") != f"Basic {wanted}":
        return Response(401, b"", {"www-authenticate": 'Basic realm="standin"'})
    return Response(200, b'{"authenticated": true}', _JSON)


def _pet(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"Pet {number}", "status": "available"}
