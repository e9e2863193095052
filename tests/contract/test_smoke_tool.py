"""What `tools/smoke.py` does with a key that was made a moment ago."""

import asyncio

import pytest

from kit.scripts import imported
from visapi.stack.standins.http_server import HttpServer, Request, Response


class Gateway:
    """Refuses a key so many times, as one does that has not read it yet."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.asked = refusals, 0

    async def answer(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer new"
        self.asked += 1
        return Response(401 if self.asked <= self.refusals else 200)


async def test_a_key_that_the_gateway_has_not_read_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    smoke, gateway = imported("smoke", monkeypatch), Gateway(2)
    server = HttpServer(gateway.answer)
    await server.start()
    await asyncio.to_thread(smoke.await_key, server.url, "new")
    await server.stop()
    assert gateway.asked == 3


async def test_a_key_that_stays_refused_is_told_after_the_patience(monkeypatch: pytest.MonkeyPatch):
    smoke, gateway = imported("smoke", monkeypatch), Gateway(1000)
    server = HttpServer(gateway.answer)
    await server.start()
    with pytest.raises(smoke.SmokeError, match=r"still answered 401 after 0\.1 s"):
        await asyncio.to_thread(smoke.await_key, server.url, "new", 0.1)
    await server.stop()
