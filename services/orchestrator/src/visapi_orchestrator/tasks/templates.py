"""Tells built-in workers which version of a template a name means, and the hash of its contents.

The tenant is that of the task, which the question proves by the task's token: a worker reads templates of
tenants whose tasks it was given.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.templates import ResolvedTemplate, ResolveTemplate
from visapi_common.core.effect_key import token_proves
from visapi_common.core.failures import failure_text
from visapi_common.core.keyrings import Keyring
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.tasks.claims import WorkerRequest

_BATCH = 256
_BOUND = 10_000
_BYTES_MAX = 64 * 1024

_read = Reader(ResolveTemplate, bytes_max=_BYTES_MAX, newest=NEWEST.messages)
_encode = msgspec.json.Encoder().encode


class TemplateRows(Protocol):
    async def resolve(self, wanted: Sequence[ResolveTemplate]) -> Mapping[int, ResolvedTemplate]:
        """The answers by index. Questions of attempts that are over are absent: nobody waits for an answer,
        and the worker would take "there is none" for one about the template.
        """
        ...


class _Waiting(NamedTuple):
    wanted: ResolveTemplate
    asked: WorkerRequest


class Templates:
    """See the module's docstring. One statement answers all waiting questions."""

    def __init__(self, rows: TemplateRows, keys: Keyring, metrics: Metrics) -> None:
        self._rows = rows
        self._keys = keys
        self._metrics = metrics
        self._isolation = Isolation("templates", metrics)
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(maxsize=_BOUND)
        self._log = get_logger("templates")

    def receive(self, asked: WorkerRequest) -> None:
        """Called in the read loop. An unanswered worker asks again."""
        wanted = _read(asked.data)
        if isinstance(wanted, Unreadable):
            self._metrics.messages_unreadable.labels("template").inc()
            self._log.error("question_unreadable", detail=wanted.reason)
            return
        if not token_proves(self._keys, wanted.run, wanted.path, wanted.attempt, given=wanted.token):
            self._log.warning("token_wrong", run=str(wanted.run), task=wanted.path)
            return
        if not self._waiting.full():
            self._waiting.put_nowait(_Waiting(wanted, asked))

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._isolation.each(batch, self._answer, self._pass_over)

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        answers = await self._rows.resolve([one.wanted for one in batch])
        for index, one in enumerate(batch):
            if (found := answers.get(index)) is not None:
                one.asked.respond(_encode(found))

    async def _pass_over(self, one: _Waiting, error: Exception) -> None:
        self._log.error("question_passed_over", run=str(one.wanted.run), detail=failure_text(error))
