"""Both clients, against a server that pages, fails and remembers: retries, keys, lists, typed errors."""

import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Any

import pytest

from kit.scripted_gateway import ScriptedGateway, scripted_gateway
from visapi.client import ApiError, AsyncClient, Client, UnreachableError, errors
from visapi.client.all_runs import AllRuns, Missed
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.runs import RunChange
from visapi_common.contracts.secrets import SecretView

RUN = {
    "id": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
    "workflow": {"namespace": "d", "name": "w", "version": "1.0.0"},
    "status": "completed",
    "input": None,
    "output": 1,
    "error": None,
    "created_at": "2026-11-24T12:00:00Z",
    "started_at": None,
    "ended_at": None,
    "attributes": {},
    "links": {},
}
SECRET = {"hosts": None, "updated_at": "2026-11-24T12:00:00Z", "updated_by": "key:a"}


@pytest.fixture
def server() -> Iterator[ScriptedGateway]:
    with scripted_gateway() as running:
        yield running


def problem(status: int, code: str) -> dict[str, Any]:
    return {"type": "t", "title": code, "status": status, "code": code}


async def start_blocking(url: str) -> str:
    with Client(url, "key") as client:
        return str(client.runs.start("d/w", {"a": 1}).id)


async def start_asynchronous(url: str) -> str:
    async with AsyncClient(url, "key") as client:
        return str((await client.runs.start("d/w", {"a": 1})).id)


Start = Callable[[str], Coroutine[Any, Any, str]]
BOTH = pytest.mark.parametrize("start", [start_blocking, start_asynchronous])


@BOTH
async def test_a_start_is_repeated_under_one_key_while_the_gateway_is_away(
    server: ScriptedGateway, start: Start
):
    server.answers = [
        (503, {"Retry-After": "0"}, problem(503, "unavailable")),
        (502, {}, "bad gateway"),
        (202, {}, RUN),
    ]
    assert await start(server.url) == RUN["id"]
    assert len(server.asked) == 3
    assert len({one.idempotency_key for one in server.asked}) == 1
    assert server.asked[0].idempotency_key


@BOTH
async def test_a_refusal_is_not_repeated_and_has_its_class(server: ScriptedGateway, start: Start):
    server.answers = [(429, {"Retry-After": "86400"}, problem(429, "run_quota_exceeded"))]
    with pytest.raises(errors.RunQuotaExceededError) as refused:
        await start(server.url)
    assert refused.value.retry_after_s == 86400
    assert len(server.asked) == 1


@BOTH
async def test_two_starts_have_two_keys(server: ScriptedGateway, start: Start):
    server.answers = [(202, {}, RUN), (202, {}, RUN)]
    await start(server.url)
    await start(server.url)
    assert server.asked[0].idempotency_key != server.asked[1].idempotency_key


async def test_a_list_reads_the_pages_that_are_asked_for_and_no_more(server: ScriptedGateway):
    pages = [{"items": [{**SECRET, "name": f"s{each}"}], "next": f"c{each}"} for each in range(3)]
    server.answers = [(200, {}, page) for page in [*pages, {"items": [], "next": None}]]
    with Client(server.url, "key") as client:
        listed = client.secrets.list(limit=1)
        first: SecretView = next(listed)
        assert first.name == "s0"
        assert len(server.asked) == 1
        assert [one.name for one in listed] == ["s1", "s2"]
    assert server.asked[-1].path == "/v1/secrets?limit=1&cursor=c2"
    server.answers = [(200, {}, pages[0]), (200, {}, {"items": [], "next": None})]
    async with AsyncClient(server.url, "key") as client:
        assert [one.name async for one in client.secrets.list()] == ["s0"]


async def test_nobody_who_answers_is_an_error_of_its_own(server: ScriptedGateway):
    url = server.url
    server.server_close()
    with pytest.raises(UnreachableError, match=url), Client(url, "key") as client:
        client.secrets.remove("a")


async def test_a_change_with_an_etag_is_sent_again_only_where_it_was_not_made(server: ScriptedGateway):
    away = (503, {"Retry-After": "0"}, problem(503, "unavailable"))
    lost = (503, {"Retry-After": "0"}, problem(503, "outcome_unknown"))
    changed = (412, {}, problem(412, "precondition_failed"))
    server.answers = [away, lost, changed]
    with Client(server.url, "key") as client, pytest.raises(errors.OutcomeUnknownError):
        client.keys.enable("a", if_match='"1"')
    assert server.answers == [changed]
    server.answers = [away, (502, {}, "bad gateway"), changed]
    async with AsyncClient(server.url, "key") as client:
        with pytest.raises(ApiError, match="bad gateway"):
            await client.keys.enable("a", if_match='"1"')
    assert server.answers == [changed]


def test_a_request_without_a_connection_was_not_sent(server: ScriptedGateway):
    server.server_close()
    with pytest.raises(UnreachableError) as lost, Client(server.url, "key") as client:
        client.secrets.remove("a")
    assert not lost.value.sent


CHANGE = {
    "run": RUN["id"], "workflow": RUN["workflow"], "seq": 1, "type": "workflow.started",
    "time": "2026-11-24T12:00:00Z", "test": False,
}  # fmt: skip
STREAMS = [
    f"id: one\nevent: begin\ndata: {{}}\n\nid: two\ndata: {json.dumps(CHANGE)}\n\n".encode(),
    f"id: three\nevent: reset\ndata: {{}}\n\nid: four\ndata: {json.dumps({**CHANGE, 'seq': 2})}\n\n".encode(),
]


async def changes_blocking(url: str) -> list[RunChange | Missed]:
    with Client(url, "key") as client:
        return list(islice(client.follow_all(AllRuns("d/w")), 3))


async def changes_asynchronous(url: str) -> list[RunChange | Missed]:
    async with AsyncClient(url, "key") as client, aclosing(client.follow_all(AllRuns("d/w"))) as changes:
        return [await anext(changes) for _ in range(3)]


@pytest.mark.parametrize("changes", [changes_blocking, changes_asynchronous])
async def test_all_runs_are_followed_over_a_broken_stream_from_the_last_change(
    server: ScriptedGateway, changes: Callable[[str], Coroutine[Any, Any, list[RunChange | Missed]]]
):
    server.answers = [(200, {}, STREAMS[0]), (429, {"Retry-After": "0"}, {}), (200, {}, STREAMS[1])]
    first, missed, second = await changes(server.url)
    assert isinstance(first, RunChange)
    assert isinstance(second, RunChange)
    assert (first.seq, missed, second.seq) == (1, Missed(), 2)
    assert [one.headers.get("last-event-id") for one in server.asked] == [None, "two", "two"]
    assert {one.path for one in server.asked} == {"/v1/runs/changes?workflow=d%2Fw"}


async def test_an_export_is_read_line_by_line(server: ScriptedGateway):
    server.answers = [(200, {}, b'{"a":1}\n{"end":1}'), (200, {}, b'{"a":1}\n'), (403, {}, problem(403, "f"))]
    with Client(server.url, "key") as client:
        assert list(client.tenants.export("acme")) == [b'{"a":1}\n', b'{"end":1}']
    async with AsyncClient(server.url, "key") as client:
        assert [line async for line in client.tenants.export("acme")] == [b'{"a":1}\n']
        with pytest.raises(ApiError):
            _ = [line async for line in client.tenants.export("acme")]


async def test_a_command_that_takes_a_key_gets_one(server: ScriptedGateway):
    server.answers = [(503, {"Retry-After": "0"}, problem(503, "unavailable")), (200, {}, RUN)]
    async with AsyncClient(server.url, "key") as client:
        await client.runs.cancel(RUN["id"])
    first, again = (one.idempotency_key for one in server.asked)
    assert first == again is not None
    server.answers = [(404, {}, problem(404, "dead_letter_not_found"))]
    with Client(server.url, "key") as client, pytest.raises(errors.NotFoundError):
        client.dead_letters.resolve("x", Decision.RETRY)
    assert server.asked[-1].idempotency_key not in (None, first)
