"""Answers to GET with ETags, and what `If-None-Match` spares."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.api.checks import check_precondition
from visapi_gateway.kernel.api.conditional import changed, tagged
from visapi_gateway.kernel.api.etags import check_match, etag_of
from visapi_gateway.kernel.api.openapi import problem_codes
from visapi_gateway.kernel.api.operation import Operation, ResponseSpec
from visapi_gateway.kernel.asgi.http import EmptyResponse, Response
from visapi_gateway.kernel.asgi.streams import FileStream
from visapi_gateway.slices import operations

BODY = b'{"a":1}'
TAG = etag_of(BODY)


def call(if_none_match: str | None = None) -> Any:
    return SimpleNamespace(header={b"if-none-match": if_none_match}.get)


def test_an_answer_carries_a_strong_tag_of_its_bytes() -> None:
    headers = dict(tagged(call(), Response(200, BODY)).headers)  # pyright: ignore[reportAttributeAccessIssue]
    assert headers[b"etag"] == TAG.encode()
    assert headers[b"cache-control"] == b"private, no-cache"
    assert not TAG.startswith("W/")
    assert etag_of(b'{"a":2}') != TAG


@pytest.mark.parametrize("given", [TAG, f"W/{TAG}", "*", f'"x", {TAG}', f' "x" ,W/{TAG} '])
def test_a_client_that_has_the_bytes_is_sent_none(given: str) -> None:
    answer: Any = tagged(call(given), Response(200, BODY, [(b"vary", b"accept")]))
    assert (type(answer), answer.status, answer.body) == (EmptyResponse, 304, b"")
    assert dict(answer.headers) == {
        b"etag": TAG.encode(),
        b"vary": b"accept",
        b"cache-control": b"private, no-cache",
    }


@pytest.mark.parametrize(
    "given", ["", '"x"', TAG.strip('"'), TAG[:-1], f'{TAG[:-1]}x"', "**", TAG.upper() + "x"]
)
def test_any_other_tag_is_answered_in_full(given: str) -> None:
    answer: Any = tagged(call(given), Response(200, BODY))
    assert (answer.status, answer.body) == (200, BODY)


def test_a_tag_of_the_handler_stays() -> None:
    own = Response(200, BODY, [(b"etag", b'"7-running"'), (b"cache-control", b"no-store")])
    assert dict(own.headers)[b"etag"] == b'"7-running"'
    assert tagged(call(), own) is own
    answer: Any = tagged(call('"7-running"'), own)
    assert (answer.status, dict(answer.headers)[b"cache-control"]) == (304, b"no-store")


@pytest.mark.parametrize("answer", [Response(202, BODY), Response(503, BODY), EmptyResponse(204)])
def test_only_what_was_read_is_tagged(answer: Response) -> None:
    before = list(answer.headers)
    assert tagged(call("*"), answer) is answer
    assert answer.headers == before


def test_the_answer_to_a_change_carries_the_tag_for_the_next_change() -> None:
    answer: Any = changed(Response(200, BODY))
    assert dict(answer.headers)[b"etag"] == TAG.encode()
    assert b"cache-control" not in dict(answer.headers)
    assert changed(gone := EmptyResponse(204)) is gone
    assert gone.headers == []


@pytest.mark.parametrize("given", [None, "*", TAG, f'"x", {TAG}'])
def test_a_change_of_the_state_that_was_read_is_made(given: str | None) -> None:
    check_match(given, TAG, "it")


@pytest.mark.parametrize("given", ["", '"x"', f"W/{TAG}", TAG.strip('"'), "**", f"{TAG}{TAG}"])
def test_a_change_of_any_other_state_is_refused(given: str) -> None:
    with pytest.raises(ProblemError) as refused:
        check_match(given, TAG, "it")
    assert (refused.value.status, refused.value.code) == (412, "precondition_failed")


@pytest.mark.parametrize(("declared", "given", "code"), [
    ("required", None, "precondition_required"), ("required", "*", None), ("required", "", None),
    ("optional", None, None), ("ignored", None, None),
])  # fmt: skip
def test_a_declared_precondition_has_to_be_stated(declared: Any, given: str | None, code: str | None) -> None:
    operation = Operation(
        "PUT", "/v1/x", "putX", "Put", {200: ResponseSpec("It.", dict[str, Any])}, if_match=declared
    )
    refusal = None
    try:
        check_precondition(operation, SimpleNamespace(header={b"if-match": given}.get))  # pyright: ignore[reportArgumentType]
    except ProblemError as refused:
        refusal = refused.code
    assert refusal == code
    codes = set(problem_codes(operation)) & {"precondition_required", "precondition_failed"}
    assert (
        codes
        == {
            "required": {"precondition_required", "precondition_failed"},
            "optional": {"precondition_failed"},
            "ignored": set(),
        }[declared]
    )


def test_streams_cost_nothing() -> None:
    read: list[bytes] = []

    async def chunks() -> AsyncGenerator[bytes, None]:
        read.append(b"x")
        yield b"x"

    stream = FileStream(chunks(), 1, [])
    assert tagged(call("*"), stream) is stream
    assert read == []


def test_everything_that_a_key_reads_has_a_tag() -> None:
    untagged = {each.name for each in operations() if each.method == "GET" and not each.tagged}
    assert untagged == {"exportTenant", "isAlive", "isReady", "readApprovalPage", "verifyWebhook"}
    assert not [each.name for each in operations() if each.method != "GET" and each.tagged]
