"""Opens the secrets and makes the links that the input of a call names, and keeps them to ourselves."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.approvals import link_named, revealed_links
from visapi_common.core.secret_handles import Path, run_key
from visapi_common.worker.faults import TaskFault
from visapi_notifier.core import revealing
from visapi_notifier.core.masking import Mask
from visapi_notifier.core.revealing import NotAllowed, Opened


class SecretRows(Protocol):
    async def open(self, tenant: str, names: Collection[str]) -> Mapping[str, Opened]:
        """Those that are there, opened. Raises `Fault`."""
        ...


class Revealed:
    """An input with its secrets and links in place of their handles."""

    def __init__(self, value: Any, secrets: Mapping[str, Opened]) -> None:
        self.value = value
        self._secrets = secrets

    def check_destination(self, host: str, port: int) -> None:
        """Raises `TaskFault` for a secret that may not be sent there."""
        try:
            revealing.check_hosts(self._secrets, host, port)
        except NotAllowed as refused:
            raise TaskFault(refused.error) from refused


class Secrets:
    """Without the secret of handles nothing is a handle. `rows` is None where secrets cannot be opened."""

    def __init__(
        self, rows: SecretRows | None, handle_secret: bytes | None, public_url: str | None = None
    ) -> None:
        self._rows = rows
        self._handle_secret = handle_secret
        self._public_url = public_url

    async def reveal(self, value: Any, message: TaskMessage, mask: Mask | None = None) -> Revealed:
        """What is revealed is added to `mask` first.

        Raises `TaskFault` (authorization, 403) for a secret that is not there, and the ledger's faults.
        """
        if self._handle_secret is None:
            return Revealed(value, {})
        key = run_key(self._handle_secret, message.run)
        paths = revealing.paths_in(value, key)
        if not paths:
            return Revealed(value, {})
        links = self._links(key, message.tenant, paths)
        try:
            opened = await self._opened(message.tenant, {path[0] for path in paths - links.keys()})
            # A receiver may repeat a link in another spelling; its key has none.
            keys = [link.rpartition(".")[2] for link in links.values()]
            (mask or Mask()).add([*(secret.value for secret in opened.values()), *links.values(), *keys])
            values = links | {path: revealing.member(path, opened) for path in paths - links.keys()}
        except NotAllowed as refused:
            raise TaskFault(refused.error) from refused
        return Revealed(revealing.reveal(value, key, values), opened)

    def _links(self, key: bytes, tenant: str, paths: Collection[Path]) -> dict[Path, str]:
        """The links of approvals among what is named. Raises `TaskFault` where nobody knows their origin."""
        named = [path for path in paths if link_named(path) is not None]
        if not named:
            return {}
        if self._public_url is None:
            detail = "links to approvals need the notifier's setting VISAPI_PUBLIC_URL; set it, then retry"
            raise TaskFault(standard_error("configuration", 500, title="No public URL", detail=detail))
        return revealed_links(key, tenant, self._public_url, named)

    async def _opened(self, tenant: str, names: Collection[str]) -> Mapping[str, Opened]:
        """Raises `NotAllowed`."""
        if not names:
            return {}
        if self._rows is None:
            raise NotAllowed("secrets cannot be opened here; the notifier needs VISAPI_SEALING_KEY")
        opened = await self._rows.open(tenant, names)
        absent = sorted(set(names) - opened.keys())
        if absent:
            raise NotAllowed(f"there is no secret called {', '.join(absent)}; store it, then retry")
        return opened
