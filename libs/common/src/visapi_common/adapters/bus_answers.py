"""The answers that requests on one connection wait for."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from visapi_common.adapters.bus_messages import Message
from visapi_common.core.errors import UnknownFault


class AwaitedAnswers:
    """Each request has a token, the last part of the subject that its answer arrives on."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._counter = 0

    @contextmanager
    def awaited(self, subject: str, timeout_s: float) -> Generator[tuple[str, asyncio.Future[Message]]]:
        """The token and the answer of one request on `subject`; the answer is an `UnknownFault` after
        `timeout_s` seconds.
        """
        self._counter += 1
        token = f"r{self._counter}"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Message] = loop.create_future()
        self._waiting[token] = answer
        timer = loop.call_later(timeout_s, self._expire, token, subject, timeout_s)
        try:
            yield token, answer
        finally:
            timer.cancel()
            self._waiting.pop(token, None)

    def receive(self, message: Message) -> None:
        """Hand an answer to its request; one that nobody waits for is dropped."""
        future = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if future is not None and not future.done():
            future.set_result(message)

    def fail_all(self) -> None:
        """Fail every request that waits: the connection is lost."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(UnknownFault("the connection to NATS was lost before the answer"))

    def _expire(self, token: str, subject: str, timeout_s: float) -> None:
        future = self._waiting.pop(token, None)
        if future is not None and not future.done():
            future.set_exception(UnknownFault(f"{subject}: no answer within {timeout_s} s"))
