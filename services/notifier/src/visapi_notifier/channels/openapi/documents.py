"""OpenAPI documents: fetched through the egress guard, and kept for a few minutes for each tenant."""

from dataclasses import replace
from urllib.parse import urlsplit

from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.errors import ProblemError
from visapi_common.core.outbound import Inbound
from visapi_common.worker.faults import TaskFault
from visapi_notifier.channel_service import Dependencies
from visapi_notifier.channels.http import rules as http
from visapi_notifier.channels.http.calls import check_destination, no_token
from visapi_notifier.channels.http.rules import Endpoint, HttpInput
from visapi_notifier.channels.openapi.bounded import BoundedDocuments
from visapi_notifier.credentials.rules.oauth import TokenRefused
from visapi_notifier.credentials.rules.revealing import Destinations
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, communication

KEPT_S = 300.0
KEPT_MAX = 100


class Documents:
    """The documents of the process, by tenant and URL."""

    def __init__(self, processes: BoundedDocuments, dependencies: Dependencies) -> None:
        self._processes = processes
        self._deliverer = dependencies.deliverer
        self._authenticator = dependencies.authenticator
        self._clock = dependencies.clock
        self._kept: dict[tuple[str, str], tuple[bytes, float]] = {}

    async def fetch(
        self, endpoint: Endpoint, destinations: Destinations, message: TaskMessage, mask: Mask
    ) -> bytes:
        """The document, read at most every five minutes. Raises `TaskFault`."""
        key = (message.tenant, endpoint.uri)
        known = self._kept.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        call = http.call_of(HttpInput(method="get", endpoint=endpoint, redirect=True))
        check_destination(destinations, call.outbound)
        found: list[bytes] = []

        async def attempt(time: Time) -> Reading:
            timed = replace(call.outbound, timeout_s=time.limit_s)
            try:
                inbound = await self._authenticator.exchange(message.tenant, call.policy, timed, mask)
                found.append(await self._read(message.tenant, inbound))
            except TokenRefused as refused:
                return no_token(refused)
            except TaskFault as unusable:
                return Refused(unusable.error)
            return Sent(None)

        effect = Effect("http", attempt, recorded=False, timeout_s=http.TIMEOUT_S, mask=mask)
        ended = await self._deliverer.read(message, effect)
        if ended.error is not None:
            raise TaskFault(ended.error)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[key] = (found[-1], self._clock.monotonic() + KEPT_S)
        return found[-1]

    async def _read(self, tenant: str, inbound: Inbound) -> bytes:
        where = f"the OpenAPI document at {urlsplit(inbound.url)._replace(query='').geturl()}"
        if inbound.status != 200 or inbound.cut:
            detail = f"{where} answered {inbound.status}" + (f", but {inbound.cut}" if inbound.cut else "")
            raise TaskFault(communication(inbound.status, "No OpenAPI document", detail))
        try:
            return await self._processes.read(tenant, inbound.body)
        except ProblemError as wrong:
            error = communication(502, "Unusable OpenAPI document", f"{where}: {wrong.detail}")
            raise TaskFault(error) from wrong
