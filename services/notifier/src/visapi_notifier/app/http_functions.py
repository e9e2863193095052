"""`http.request` and `openapi.request`: what `call: http` and `call: openapi` become."""

from dataclasses import replace
from datetime import datetime
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
from visapi_notifier.app.authentication import Authenticator
from visapi_notifier.app.deliver import Clock, Deliverer, Effect, Time
from visapi_notifier.app.refusals import refused_early
from visapi_notifier.app.secrets import Revealed, Secrets
from visapi_notifier.core.channels import http
from visapi_notifier.core.channels.http import Authentication, Endpoint, HttpInput
from visapi_notifier.core.masking import Mask
from visapi_notifier.core.oauth import TokenRefused
from visapi_notifier.core.openapi import OpenApiInput
from visapi_notifier.core.reading import Reading, Refused, Sent, communication

DOCUMENT_KEPT_S = 300.0
DOCUMENTS_MAX = 100


class Documents(Protocol):
    async def read(self, tenant: str, body: bytes) -> bytes:
        """A JSON or YAML document in a form that `plan` takes. Raises `ProblemError`."""
        ...

    async def plan(self, tenant: str, document: bytes, asked: OpenApiInput, url: str) -> HttpInput:
        """The HTTP call of an operation; `url` is where the document came from. Raises `ProblemError`."""
        ...


class Answers(Protocol):
    async def read(  # noqa: PLR0913 (a reading depends on all of the exchange; given by name)
        self,
        tenant: str,
        *,
        wanted: HttpInput,
        outbound: Outbound,
        inbound: Inbound,
        now: datetime,
        mask: Mask,
        time: Time,
    ) -> Reading:
        """What an answer means; `time` is what was left when it had come. It holds up nobody else."""
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
        secrets: Secrets,
        authenticator: Authenticator,
        readers: Readers,
        clock: Clock,
    ) -> None:
        self._deliverer = deliverer
        self._secrets = secrets
        self._authenticator = authenticator
        self._documents = readers.documents
        self._answers = readers.answers
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[bytes, float]] = {}

    async def request_http(self, wanted: Any, task: TaskContext, mask: Mask) -> Any:
        """Make an HTTP request."""
        revealed = await self._secrets.reveal(wanted, task.message, mask)
        return await self._call(read_input(revealed.value, HttpInput), revealed, task.message, mask)

    async def request_openapi(self, wanted: Any, task: TaskContext, mask: Mask) -> Any:
        """Call an operation that an OpenAPI document describes."""
        revealed = await self._secrets.reveal(wanted, task.message, mask)
        asked = read_input(revealed.value, OpenApiInput)
        endpoint = asked.document if isinstance(asked.document, Endpoint) else Endpoint(asked.document)
        document = await self._document(endpoint, revealed, task.message, mask)
        planned = await self._documents.plan(task.message.tenant, document, asked, endpoint.uri)
        return await self._call(planned, revealed, task.message, mask)

    async def _call(self, wanted: HttpInput, revealed: Revealed, message: TaskMessage, mask: Mask) -> Any:
        outbound = self._outbound(wanted, revealed)
        kind = http.effect_of(wanted)
        policy = _policy(wanted)

        async def attempt(time: Time) -> Reading:
            began = self._clock.monotonic()
            try:
                inbound = await self._authenticator.exchange(
                    message.tenant, policy, replace(outbound, timeout_s=time.limit_s), mask
                )
            except TokenRefused as refused:
                return Refused(standard_error("authentication", 401, title="No token", detail=str(refused)))
            left_s = time.left_s - (self._clock.monotonic() - began)
            return await self._answers.read(
                message.tenant,
                wanted=wanted,
                outbound=outbound,
                inbound=inbound,
                now=self._clock.now(),
                mask=mask,
                time=replace(time, left_s=left_s),
            )

        effect = Effect(
            "http",
            attempt,
            keyed=kind is not http.Effect.ONCE,
            recorded=kind is not http.Effect.NONE,
            timeout_s=http.TIMEOUT_S,
            mask=mask,
        )
        output = await self._deliverer.deliver(message, effect)
        return output if effect.recorded else ReadOnly(output)

    def _outbound(self, wanted: HttpInput, revealed: Revealed) -> Outbound:
        outbound = refused_early(self._deliverer, lambda: http.build_request(wanted))
        target = parse_url(outbound.url)
        revealed.check_destination(target.host, target.port)
        return outbound

    async def _document(
        self, endpoint: Endpoint, revealed: Revealed, message: TaskMessage, mask: Mask
    ) -> bytes:
        """The document, read at most every five minutes. Raises `TaskFault`."""
        key = (message.tenant, endpoint.uri)
        known = self._kept.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        asked = HttpInput(method="get", endpoint=endpoint, redirect=True)
        outbound = self._outbound(asked, revealed)
        found: list[bytes] = []

        async def attempt(time: Time) -> Reading:
            timed = replace(outbound, timeout_s=time.limit_s)
            try:
                inbound = await self._authenticator.exchange(message.tenant, _policy(asked), timed, mask)
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


def read_input(value: Any, kind: type[Any]) -> Any:
    """The input as its struct. Raises `ProblemError` that says where it is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        raise ProblemError("invalid_input", str(wrong)) from wrong


def _policy(wanted: HttpInput) -> Authentication | None:
    return wanted.endpoint.authentication if isinstance(wanted.endpoint, Endpoint) else None
