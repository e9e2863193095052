"""Failures of API calls, and decoding of responses. Pure."""

from typing import ClassVar, TypeVar, cast

from visapi.client.call import Call
from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Unreadable, read_as
from visapi_common.contracts.problems import Problem

T = TypeVar("T")

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""A run with its input and output, 16 MiB each, and the rest of a page."""


class UnreachableError(Exception):
    """No answer came; the message names the URL. Whether the call had an effect is unknown, unless `sent` is
    False: no connection was made.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class ApiError(Exception):
    """The API refused. `problem` is its own explanation (RFC 9457); `retry_after_s` is the pause that it asks
    for. Each code of a problem has a class in `client.errors`.
    """

    of_code: ClassVar[dict[str, type["ApiError"]]] = {}

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.retry_after_s = retry_after_s

    def __init_subclass__(cls, *, code: str) -> None:
        ApiError.of_code[code] = cls

    @property
    def status(self) -> int:
        return self.problem.status


def read_answer(call: Call[T], status: int, body: bytes, retry_after: str | None = None) -> T:
    """The decoded answer; raises `ApiError` for a refusal or an answer of another shape. `retry_after` is the
    header of that name.
    """
    if status >= 400:
        problem = _problem(status, body)
        seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
        raise ApiError.of_code.get(problem.code or "", ApiError)(problem, seconds)
    if call.answer is bytes:
        return cast("T", body)
    if not body:
        body = b"null"
    answer = _read(call.answer, body)
    if isinstance(answer, Unreadable):
        detail = (
            f"{call.method} {call.path} was answered in another shape: {answer.reason}; "
            "is this a VisAPI gateway?"
        )
        raise ApiError(Problem(type="about:blank", title="Unexpected answer", status=status, detail=detail))
    return answer


def _problem(status: int, body: bytes) -> Problem:
    problem = _read(Problem, body)
    if not isinstance(problem, Unreadable):
        return problem
    text = body[:200].decode("utf-8", "replace")
    return Problem(type="about:blank", title=f"HTTP {status}", status=status, detail=text or None)


def _read(kind: type[T], body: bytes) -> T | Unreadable:
    return read_as(kind, body, depth_max=STORED_DEPTH_MAX, bytes_max=ANSWER_BYTES_MAX)
