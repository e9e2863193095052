"""Opens the secrets that the input of a call names, and keeps them out of what comes back."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.secret_handles import run_key
from visapi_common.worker.faults import TaskFault
from visapi_notifier.app.deliver import Effect
from visapi_notifier.core import revealing
from visapi_notifier.core.reading import Reading, Refused, Sent
from visapi_notifier.core.revealing import NotAllowed, Opened


class SecretRows(Protocol):
    async def open(self, tenant: str, names: Collection[str]) -> Mapping[str, Opened]:
        """Those that are there, opened. Raises `Fault`."""
        ...


class Revealed:
    """An input with its secrets, and what it takes to keep them to ourselves."""

    def __init__(self, value: Any, secrets: Mapping[str, Opened]) -> None:
        self.value = value
        self._secrets = secrets
        self._hidden = revealing.values_of(secrets.values())

    def check_destination(self, host: str, port: int) -> None:
        """Raises `TaskFault` for a secret that may not be sent there."""
        try:
            revealing.check_hosts(self._secrets, host, port)
        except NotAllowed as refused:
            raise TaskFault(refused.error) from refused

    def guarded(self, effect: Effect) -> Effect:
        """The effect, its outcome without secrets."""
        if not self._hidden:
            return effect
        attempt = effect.attempt

        async def hidden(timeout_s: float) -> Reading:
            return self._hide(await attempt(timeout_s))

        return replace(effect, attempt=hidden)

    def _hide(self, reading: Reading) -> Reading:
        match reading:
            case Sent(output):
                return Sent(revealing.hide(output, self._hidden))
            case Refused(error, advice):
                plain = revealing.hide(msgspec.to_builtins(error), self._hidden)
                return Refused(msgspec.convert(plain, type(error)), advice)
            case _:
                return reading


class Secrets:
    """Without a key nothing is a handle, and no secret is ever opened."""

    def __init__(self, rows: SecretRows | None, handle_secret: bytes | None) -> None:
        self._rows = rows
        self._handle_secret = handle_secret

    async def reveal(self, value: Any, message: TaskMessage) -> Revealed:
        """Raises `TaskFault` (authorization, 403) for a secret that is not there, and the ledger's faults."""
        if self._rows is None or self._handle_secret is None:
            return Revealed(value, {})
        key = run_key(self._handle_secret, message.run)
        names = {path[0] for path in revealing.paths_in(value, key)}
        if not names:
            return Revealed(value, {})
        opened = await self._rows.open(message.tenant, names)
        try:
            absent = sorted(names - opened.keys())
            if absent:
                raise NotAllowed(f"there is no secret called {', '.join(absent)}; store it, then retry")
            return Revealed(revealing.reveal(value, key, opened), opened)
        except NotAllowed as refused:
            raise TaskFault(refused.error) from refused
