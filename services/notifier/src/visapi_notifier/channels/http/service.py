"""`http.request` and `openapi.request`: what `call: http` and `call: openapi` become."""

from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import parse_url
from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.worker.context import ReadOnly, TaskContext
from visapi_common.worker.faults import TaskFault
from visapi_notifier.accounts.authentication import Authenticator
from visapi_notifier.accounts.inputs import Inputs
from visapi_notifier.accounts.rules.oauth import TokenRefused
from visapi_notifier.accounts.rules.revealing import Destinations, NotAllowed
from visapi_notifier.channels.http import rules as http
from visapi_notifier.channels.http.answered import Answered
from visapi_notifier.channels.http.rules import Endpoint, HttpCall, HttpInput
from visapi_notifier.channels.openapi.rules import OpenApiCall
from visapi_notifier.delivery.deliver import Clock, Deliverer, Effect, Time
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, communication

DOCUMENT_KEPT_S = 300.0
DOCUMENTS_MAX = 100


class Documents(Protocol):
    async def read(self, tenant: str, body: bytes) -> bytes:
        """A JSON or YAML document in a form that `plan` takes. Raises `ProblemError`."""
        ...

    async def plan(self, tenant: str, document: bytes, asked: OpenApiCall, url: str) -> HttpCall:
        """The HTTP call of an operation; `url` is where the document came from.

        Raises `ProblemError` and `EgressRefused`.
        """
        ...


class Answers(Protocol):
    async def read(self, tenant: str, answered: Answered) -> Reading:
        """What an answer means. It holds up nobody else."""
        ...


class Readers(Protocol):
    """What reads bytes whose size and shape a server chose."""

    @property
    def documents(self) -> Documents: ...
    @property
    def answers(self) -> Answers: ...


class HttpFunctions:
    """The handlers."""

    def __init__(
        self,
        deliverer: Deliverer,
        inputs: Inputs,
        authenticator: Authenticator,
        readers: Readers,
        clock: Clock,
    ) -> None:
        self._deliverer = deliverer
        self._inputs = inputs
        self._authenticator = authenticator
        self._documents = readers.documents
        self._answers = readers.answers
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[bytes, float]] = {}

    async def request_http(self, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        """Make an HTTP request."""
        with refused_early(self._deliverer):
            call, destinations = await self._inputs.read(HttpCall, given, task.message, mask)
        return await self._call(call, destinations, task.message, mask)

    async def request_openapi(self, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        """Call an operation that an OpenAPI document describes."""
        with refused_early(self._deliverer):
            wanted, destinations = await self._inputs.read(OpenApiCall, given, task.message, mask)
            asked = wanted.asked.document
            endpoint = asked if isinstance(asked, Endpoint) else Endpoint(asked)
            document = await self._document(endpoint, destinations, task.message, mask)
            planned = await self._documents.plan(task.message.tenant, document, wanted, endpoint.uri)
        return await self._call(planned, destinations, task.message, mask)

    async def _call(
        self, call: HttpCall, destinations: Destinations, message: TaskMessage, mask: Mask
    ) -> Any:
        outbound = call.outbound
        _check(destinations, outbound)

        async def attempt(time: Time) -> Reading:
            began = self._clock.monotonic()
            try:
                inbound = await self._authenticator.exchange(
                    message.tenant, call.policy, replace(outbound, timeout_s=time.limit_s), mask
                )
            except TokenRefused as refused:
                return Refused(standard_error("authentication", 401, title="No token", detail=str(refused)))
            left = replace(time, left_s=time.left_s - (self._clock.monotonic() - began))
            answered = Answered(call.wanted, outbound, inbound, self._clock.now(), mask, left)
            return await self._answers.read(message.tenant, answered)

        effect = Effect(
            "http",
            attempt,
            keyed=call.effect is not http.Effect.ONCE,
            recorded=call.effect is not http.Effect.NONE,
            timeout_s=http.TIMEOUT_S,
            mask=mask,
        )
        output = await self._deliverer.deliver(message, effect)
        return output if effect.recorded else ReadOnly(output)

    async def _document(
        self, endpoint: Endpoint, destinations: Destinations, message: TaskMessage, mask: Mask
    ) -> bytes:
        """The document, read at most every five minutes. Raises `TaskFault`."""
        key = (message.tenant, endpoint.uri)
        known = self._kept.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        call = http.call_of(HttpInput(method="get", endpoint=endpoint, redirect=True))
        _check(destinations, call.outbound)
        found: list[bytes] = []

        async def attempt(time: Time) -> Reading:
            timed = replace(call.outbound, timeout_s=time.limit_s)
            try:
                inbound = await self._authenticator.exchange(message.tenant, call.policy, timed, mask)
                found.append(await self._read(message.tenant, inbound))
            except TokenRefused as refused:
                return Refused(standard_error("authentication", 401, title="No token", detail=str(refused)))
            except TaskFault as unusable:
                return Refused(unusable.error)
            return Sent(None)

        effect = Effect("http", attempt, recorded=False, timeout_s=http.TIMEOUT_S, mask=mask)
        ended = await self._deliverer.read(message, effect)
        if ended.error is not None:
            raise TaskFault(ended.error)
        if len(self._kept) >= DOCUMENTS_MAX:
            self._kept.clear()
        self._kept[key] = (found[-1], self._clock.monotonic() + DOCUMENT_KEPT_S)
        return found[-1]

    async def _read(self, tenant: str, inbound: Inbound) -> bytes:
        where = f"the OpenAPI document at {urlsplit(inbound.url)._replace(query='').geturl()}"
        if inbound.status != 200 or inbound.cut:
            detail = f"{where} answered {inbound.status}" + (f", but {inbound.cut}" if inbound.cut else "")
            raise TaskFault(communication(inbound.status, "No OpenAPI document", detail))
        try:
            return await self._documents.read(tenant, inbound.body)
        except ProblemError as wrong:
            error = communication(502, "Unusable OpenAPI document", f"{where}: {wrong.detail}")
            raise TaskFault(error) from wrong


def _check(destinations: Destinations, outbound: Outbound) -> None:
    """Raises `TaskFault` for a secret that may not be sent there."""
    target = parse_url(outbound.url)
    try:
        destinations.check(target.host, target.port)
    except NotAllowed as refused:
        raise TaskFault(refused.error) from refused
