"""The blocking client: one connection pool, deadlines on everything, retries only where safe."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

import httpx
from tenacity import retry

from visapi.client import operations
from visapi.client.all_runs import ATTEMPTS, AllRuns, Missed
from visapi.client.call import Call, Tagged
from visapi.client.declaring import Page
from visapi.client.event_stream import EventReader, RunEnd, history_events, history_stream
from visapi.client.failures import ApiError, UnreachableError, read_answer
from visapi.client.following import Reconnects, ended_early
from visapi.client.request_span import RequestSpan
from visapi.client.resources import Resources
from visapi.client.retrying import PATIENCE, unreachable, with_key
from visapi_common.contracts.runs import ENDED, HistoryItem, RunChange, RunView

T = TypeVar("T")

_TIMEOUT_S = 30.0
_SILENCE_S = 60.0
"""A stream that says nothing for so long, heartbeats included, is dead."""


class Client(Resources["Client"]):
    """Send operations to one gateway with one key. Use it as a context manager."""

    def __init__(self, url: str, api_key: str) -> None:
        super().__init__(self)
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Raises `ApiError` when refused, `UnreachableError` without an answer. Repeatable operations
        are tried a few times while the gateway is away.
        """
        return self.tagged(call).value

    def tagged(self, call: Call[T]) -> Tagged[T]:
        """`send`, with the ETag of the answer: give the tag as `if_match` to a change, which is then refused
        (`errors.PreconditionFailedError`) where somebody else was faster.
        """
        return self._patient(with_key(call)) if call.repeatable else self._once(call)

    @retry(**PATIENCE)
    def _patient(self, call: Call[T]) -> Tagged[T]:
        return self._once(call)

    def _once(self, call: Call[T]) -> Tagged[T]:
        try:
            with RequestSpan(call, self.url) as span:
                answer = self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    headers=span.headers,
                    content=call.body or None,
                )
                span.answered(answer.status_code)
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error
        value = read_answer(call, answer.status_code, answer.content, answer.headers.get("Retry-After"))
        return Tagged(value, answer.headers.get("ETag"))

    def each(self, page_at: Callable[[str | None], Call[Page[T]]]) -> Iterator[T]:
        """The items of a list, page after page."""
        cursor = None
        while True:
            page = self.send(page_at(cursor))
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def wait(self, run: str, *, timeout_s: float | None = None) -> RunView:
        """The run once it has ended. Raises `TimeoutError` after `timeout_s`, give or take the 15 seconds
        between two lines of the stream.
        """
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            for _ in self._followed(run, 0, ends):
                pass
            view = self.send(operations.get_run(run))
            if view.status in ENDED:
                return view

    def lines(self, call: Call[None]) -> Iterator[bytes]:
        """The lines of an answer of any length, as they come. Raises `ApiError` when refused, and
        `UnreachableError` where the connection breaks.
        """
        rest = b""
        with self._streamed(call, _TIMEOUT_S) as answer:
            for chunk in answer.iter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line + b"\n" for line in whole)
        if rest:
            yield rest

    def follow(self, run: str, *, after: int = 0) -> Iterator[HistoryItem]:
        """The run's history from `after`, live, until the gateway says that the run has ended.

        Survives lost connections. A run that was retried goes on after its `workflow.faulted`.
        """
        return self._followed(run, after, None)

    def follow_all(self, following: AllRuns) -> Iterator[RunChange | Missed]:
        """The changes of all runs that are followed, live and without end. Survives lost connections, and
        gateways that stop for some minutes.
        """
        reconnects = Reconnects(ATTEMPTS)
        while True:
            try:
                with self._streamed(following.call(), _SILENCE_S) as answer:
                    for line in answer.iter_lines():
                        change = following.read(line)
                        reconnects.progressed()
                        if change is not None:
                            yield change
                raise ended_early(self.url)
            except (UnreachableError, ApiError) as error:
                time.sleep(reconnects.pause_s(error))

    def _followed(self, run: str, after: int, ends: float | None) -> Iterator[HistoryItem]:
        reconnects = Reconnects()
        while True:
            try:
                for event in self._stream(run, after, ends):
                    if isinstance(event, RunEnd):
                        return
                    after = event.seq
                    reconnects.progressed()
                    yield event
                raise ended_early(self.url)
            except (UnreachableError, ApiError) as error:
                time.sleep(reconnects.pause_s(error))

    def _stream(self, run: str, after: int, ends: float | None) -> Iterator[HistoryItem | RunEnd]:
        silence_s = _SILENCE_S if ends is None else max(0.1, min(_SILENCE_S, ends - time.monotonic()))
        try:
            with self._streamed(history_stream(run, after), silence_s) as answer:
                yield from history_events(EventReader(), _until(ends, answer.iter_lines()))
        except UnreachableError:
            _check(ends)
            raise

    @contextmanager
    def _streamed(self, call: Call[None], silence_s: float) -> Generator[httpx.Response]:
        timeout = httpx.Timeout(_TIMEOUT_S, read=silence_s)
        try:
            with (
                RequestSpan(call, self.url) as span,
                self._http.stream(
                    call.method, call.path, params=call.params, headers=span.headers, timeout=timeout
                ) as answer,
            ):
                span.answered(answer.status_code)
                if answer.status_code >= 400:
                    read_answer(call, answer.status_code, answer.read(), answer.headers.get("Retry-After"))
                yield answer
        except httpx.TransportError as error:
            raise UnreachableError(f"{self.url} broke the stream: {error}") from error


def _until(ends: float | None, lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        _check(ends)
        yield line


def _check(ends: float | None) -> None:
    if ends is not None and time.monotonic() >= ends:
        raise TimeoutError("the run did not end in time")
