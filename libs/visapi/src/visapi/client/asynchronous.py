"""The asyncio client; the same operations as the blocking one, with the same retries."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

import httpx
from tenacity import retry

from visapi.client import operations
from visapi.client.all_runs import ATTEMPTS, AllRuns, Missed
from visapi.client.call import Call, Tagged
from visapi.client.declaring import Page
from visapi.client.event_stream import EventReader, RunEnd, history_stream
from visapi.client.failures import ApiError, UnreachableError, read_answer
from visapi.client.following import Reconnects, ended_early
from visapi.client.request_span import RequestSpan
from visapi.client.resources import Resources
from visapi.client.retrying import PATIENCE, unreachable, with_key
from visapi_common.contracts.runs import ENDED, HistoryItem, RunChange, RunView

T = TypeVar("T")

_TIMEOUT_S = 30.0
_SILENCE_S = 60.0


class AsyncClient(Resources["AsyncClient"]):
    """Send operations to one gateway with one key. Use it as an asynchronous context manager."""

    def __init__(self, url: str, api_key: str) -> None:
        super().__init__(self)
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Raises `ApiError` when refused, `UnreachableError` when nobody answered. Repeatable operations are
        tried a few times while the gateway is away.
        """
        return (await self.tagged(call)).value

    async def tagged(self, call: Call[T]) -> Tagged[T]:
        """`send`, with the ETag of the answer: give the tag as `if_match` to a change, which is then refused
        (`errors.PreconditionFailedError`) where somebody else was faster.
        """
        return await (self._patient(with_key(call)) if call.repeatable else self._once(call))

    @retry(**PATIENCE)
    async def _patient(self, call: Call[T]) -> Tagged[T]:
        return await self._once(call)

    async def _once(self, call: Call[T]) -> Tagged[T]:
        try:
            with RequestSpan(call, self._url) as span:
                answer = await self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    headers=span.headers,
                    content=call.body or None,
                )
                span.answered(answer.status_code)
        except httpx.TransportError as error:
            raise unreachable(self._url, error) from error
        value = read_answer(call, answer.status_code, answer.content, answer.headers.get("Retry-After"))
        return Tagged(value, answer.headers.get("ETag"))

    async def each(self, page_at: Callable[[str | None], Call[Page[T]]]) -> AsyncGenerator[T]:
        """The items of a list, page after page."""
        cursor = None
        while True:
            page = await self.send(page_at(cursor))
            for item in page.items:
                yield item
            cursor = page.next
            if cursor is None:
                return

    async def wait(self, run: str, *, timeout_s: float | None = None) -> RunView:
        """The run once it has ended. Raises `TimeoutError` after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while True:
                async with aclosing(self.follow(run)) as events:
                    async for _ in events:
                        pass
                view = await self.send(operations.get_run(run))
                if view.status in ENDED:
                    return view

    async def lines(self, call: Call[None]) -> AsyncGenerator[bytes]:
        """The lines of an answer of any length, as they come. Raises `ApiError` when refused, and
        `UnreachableError` where the connection breaks.
        """
        rest = b""
        async with self._streamed(call, _TIMEOUT_S) as answer:
            async for chunk in answer.aiter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line + b"\n"
        if rest:
            yield rest

    async def follow(self, run: str, *, after: int = 0) -> AsyncGenerator[HistoryItem]:
        """The run's history from `after`, live, until the gateway says that the run has ended.

        Survives lost connections. A run that was retried goes on after its `workflow.faulted`.
        """
        reconnects = Reconnects()
        while True:
            try:
                async with aclosing(self._stream(run, after)) as events:
                    async for event in events:
                        if isinstance(event, RunEnd):
                            return
                        after = event.seq
                        reconnects.progressed()
                        yield event
                raise ended_early(self._url)
            except (UnreachableError, ApiError) as error:
                await asyncio.sleep(reconnects.pause_s(error))

    async def follow_all(self, following: AllRuns) -> AsyncGenerator[RunChange | Missed]:
        """The changes of all runs that are followed, live and without end. Survives lost connections, and
        gateways that stop for some minutes.
        """
        reconnects = Reconnects(ATTEMPTS)
        while True:
            try:
                async with self._streamed(following.call(), _SILENCE_S) as answer:
                    async for line in answer.aiter_lines():
                        change = following.read(line)
                        reconnects.progressed()
                        if change is not None:
                            yield change
                raise ended_early(self._url)
            except (UnreachableError, ApiError) as error:
                await asyncio.sleep(reconnects.pause_s(error))

    async def _stream(self, run: str, after: int) -> AsyncGenerator[HistoryItem | RunEnd]:
        reader = EventReader()
        async with self._streamed(history_stream(run, after), _SILENCE_S) as answer:
            async for line in answer.aiter_lines():
                event = reader.read(line)
                if event is not None:
                    yield event

    @asynccontextmanager
    async def _streamed(self, call: Call[None], silence_s: float) -> AsyncGenerator[httpx.Response]:
        timeout = httpx.Timeout(_TIMEOUT_S, read=silence_s)
        try:
            with RequestSpan(call, self._url) as span:
                async with self._http.stream(
                    call.method, call.path, params=call.params, headers=span.headers, timeout=timeout
                ) as answer:
                    span.answered(answer.status_code)
                    if answer.status_code >= 400:
                        content = await answer.aread()
                        read_answer(call, answer.status_code, content, answer.headers.get("Retry-After"))
                    yield answer
        except httpx.TransportError as error:
            raise UnreachableError(f"{self._url} broke the stream: {error}") from error
