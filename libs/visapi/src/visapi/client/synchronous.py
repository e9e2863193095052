"""The blocking client: one connection pool, deadlines on everything, retries only where safe."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from visapi.client.call import Call
from visapi.client.event_stream import EventReader, RunEnd, history_events
from visapi.client.failures import ApiError, UnreachableError, read_answer
from visapi.client.following import ATTEMPTS, PAUSE_S, Reconnects, ended_early, mends_itself
from visapi_common.contracts.runs import HistoryItem

T = TypeVar("T")

_TIMEOUT_S = 30.0
_SILENCE_S = 60.0
"""A stream that says nothing for so long, heartbeats included, is dead."""


class Client:
    """Send operations to one gateway with one key. Use it as a context manager."""

    def __init__(self, url: str, api_key: str) -> None:
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
        return self._patient(call) if call.repeatable else self._once(call)

    @retry(
        retry=retry_if_exception(mends_itself),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(PAUSE_S),
        reraise=True,
    )
    def _patient(self, call: Call[T]) -> T:
        return self._once(call)

    def _once(self, call: Call[T]) -> T:
        try:
            answer = self._http.request(
                call.method, call.path, params=call.params, headers=call.headers, content=call.body or None
            )
        except httpx.TransportError as error:
            raise UnreachableError(f"{self.url} does not answer: {error}") from error
        return read_answer(call, answer.status_code, answer.content)

    def follow(self, run: str, *, after: int = 0) -> Iterator[HistoryItem]:
        """The run's history from `after`, live, until the gateway says that the run has ended.

        Survives lost connections. A run that was retried goes on after its `workflow.faulted`.
        """
        reconnects = Reconnects()
        while True:
            try:
                for event in self._stream(run, after):
                    if isinstance(event, RunEnd):
                        return
                    after = event.seq
                    reconnects.progressed()
                    yield event
                raise ended_early(self.url)
            except (UnreachableError, ApiError) as error:
                time.sleep(reconnects.pause_s(error))

    def _stream(self, run: str, after: int) -> Iterator[HistoryItem | RunEnd]:
        headers = {"Accept": "text/event-stream"}
        if after:
            headers["Last-Event-ID"] = str(after)
        timeout = httpx.Timeout(_TIMEOUT_S, read=_SILENCE_S)
        path = f"/v1/runs/{run}/history"
        try:
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    call: Call[None] = Call(method="GET", path=path, answer=None)
                    read_answer(call, answer.status_code, answer.read())
                yield from history_events(EventReader(), answer.iter_lines())
        except httpx.TransportError as error:
            raise UnreachableError(f"{self.url} broke the stream: {error}") from error
