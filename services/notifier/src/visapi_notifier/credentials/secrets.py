"""Opens the secrets and makes the approval links that the input of a call names, and masks them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from visapi_common.contracts.problems import standard_error
from visapi_common.core.approvals import link_named, revealed_links
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_common.core.secret_handles import Path, run_key
from visapi_common.worker.faults import TaskFault
from visapi_notifier.credentials.rules import revealing
from visapi_notifier.credentials.rules.revealing import Destinations, NotAllowed, Opened
from visapi_notifier.outbound.rules.masking import Mask


class SecretRows(Protocol):
    async def open(self, tenant: str, names: Collection[str]) -> Mapping[str, Opened]:
        """The existing secrets, opened. Raises `Fault`."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedPaths:
    """The values of handles, and where the secrets may be sent."""

    values: Mapping[Path, Any]
    destinations: Destinations


class Secrets:
    """Without handle keys no text is a handle. `rows` is None where secrets cannot be opened."""

    def __init__(
        self, rows: SecretRows | None, handle_keys: Keyring | None, public_url: str | None = None
    ) -> None:
        self._rows = rows
        self._handle_keys = handle_keys
        self._public_url = public_url

    def keys(self, run: UUID, ident: str | None) -> Sequence[bytes]:
        """The keys that may have made a run's handles, the likeliest first; none where nothing is a handle.
        An orchestrator that was restarted late made handles with an earlier key than the task names. Raises
        `MissingKeyError`.
        """
        if self._handle_keys is None:
            return ()
        if self._handle_keys.lacks(ident):
            raise MissingKeyError(f"the key {ident} of run {run} is not in VISAPI_HANDLE_SECRET; put it back")
        # Without an id, from a release that had one key at a time: the oldest.
        keys = self._handle_keys.to_try(ident) if ident else tuple(reversed(self._handle_keys.keys))
        return [run_key(key.secret, run) for key in keys]

    async def open(self, key: bytes, tenant: str, named: Collection[Path], mask: Mask) -> OpenedPaths:
        """The values of these handles, which are added to `mask` first.

        Raises `TaskFault` (authorization, 403) for a secret that is not there, and the ledger's faults.
        """
        paths = set(named)
        links = self._links(key, tenant, paths)
        try:
            opened = await self._opened(tenant, {path[0] for path in paths - links.keys()})
            # A receiver may return a link in another spelling, but its key has only one.
            keys = [link.rpartition(".")[2] for link in links.values()]
            mask.add([*(secret.value for secret in opened.values()), *links.values(), *keys])
            values = links | {path: revealing.member(path, opened) for path in paths - links.keys()}
        except NotAllowed as refused:
            raise TaskFault(refused.error) from refused
        return OpenedPaths(values, Destinations(opened))

    def _links(self, key: bytes, tenant: str, paths: Collection[Path]) -> dict[Path, str]:
        """The links of the named approvals. Raises `TaskFault` when the public URL is not set."""
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
