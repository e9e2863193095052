"""How a call to the API can fail, and what an answer means. Pure."""

from typing import TypeVar

import msgspec

from visapi.client.operations import Call
from visapi_common.contracts.problems import Problem

T = TypeVar("T")


class UnreachableError(Exception):
    """Nobody answered; the message names the URL. Whether the call had an effect is unknown."""


class ApiError(Exception):
    """The API refused. `problem` is its own explanation (RFC 9457)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @property
    def status(self) -> int:
        return self.problem.status


def read_answer(call: Call[T], status: int, body: bytes) -> T:
    """The decoded answer; raises `ApiError` for a refusal or an answer of another shape."""
    if status >= 400:
        raise ApiError(_problem(status, body))
    if not body:
        body = b"null"
    try:
        return msgspec.json.decode(body, type=call.answer)
    except msgspec.MsgspecError as error:
        detail = (
            f"{call.method} {call.path} was answered in another shape: {error}; is this a VisAPI gateway?"
        )
        raise ApiError(
            Problem(type="about:blank", title="Unexpected answer", status=status, detail=detail)
        ) from None


def _problem(status: int, body: bytes) -> Problem:
    try:
        return msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        text = body[:200].decode("utf-8", "replace")
        return Problem(type="about:blank", title=f"HTTP {status}", status=status, detail=text or None)
