"""Prepares the input of a task: opens its secrets and builds its request."""

from typing import Any, Protocol, TypeVar

import msgspec

from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.keyrings import MissingKeyError
from visapi_common.runtime.isolation import begin_counting
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.faults import Postponed
from visapi_notifier.credentials.rules.inputs import PrepareRequest, SecretsNeeded
from visapi_notifier.credentials.rules.revealing import Destinations
from visapi_notifier.credentials.secrets import Secrets
from visapi_notifier.outbound.rules.masking import Mask

C = TypeVar("C")
KEY_RETRY_S = 5.0


class Preparing(Protocol):
    async def prepare(self, tenant: str, request: PrepareRequest) -> Any:
        """See `preparing.rules.prepare`; it never blocks the event loop. Raises `TransientFault` as well."""
        ...


class Inputs:
    """Shared by all functions of the process."""

    def __init__(self, preparing: Preparing, secrets: Secrets, metrics: Metrics) -> None:
        self._preparing = preparing
        self._secrets = secrets
        self._metrics = metrics
        self._log = get_logger("inputs")
        begin_counting("inputs", [MissingKeyError.SORT], metrics)

    async def read(
        self, kind: type[C], given: msgspec.Raw, message: TaskMessage, mask: Mask
    ) -> tuple[C, Destinations]:
        """The request, and where its secrets may be sent. Opened secrets are added to `mask` first.

        Raises `ProblemError`, `EgressRefused`, `TaskFault` for a secret that may not be used, and faults.
        Nothing has happened yet, so without a key of the operator's the task waits: `Postponed`.
        """
        try:
            return await self._read(kind, given, message, mask)
        except MissingKeyError as fault:
            self._metrics.operator_faults.labels("inputs", fault.sort).inc()
            self._log.error("key_missing", run=str(message.run), detail=str(fault))
            raise Postponed(KEY_RETRY_S) from fault

    async def _read(
        self, kind: type[C], given: msgspec.Raw, message: TaskMessage, mask: Mask
    ) -> tuple[C, Destinations]:
        destinations = Destinations({})
        found: Any = None
        for key in self._secrets.keys(message.run, message.handle_key) or (None,):
            request = PrepareRequest(message.function, bytes(given), key)
            found = await self._preparing.prepare(message.tenant, request)
            if isinstance(found, SecretsNeeded):
                assert key is not None, "without a key nothing is a handle"
                opened = await self._secrets.open(key, message.tenant, found.paths, mask)
                destinations = opened.destinations
                request = msgspec.structs.replace(request, values=list(opened.values.items()))
                found = await self._preparing.prepare(message.tenant, request)
                break
        assert isinstance(found, kind), f"{message.function} was prepared as another function"
        return found, destinations
