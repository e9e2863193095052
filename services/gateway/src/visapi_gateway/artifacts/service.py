"""Artifacts: read with a key of their tenant, or by a signed link without one, and removed."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.gateway_bodies import LINK_MAX_S, ArtifactLink
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_common.core.stored_objects import StoredObject
from visapi_gateway.artifacts.rules import is_kept, link_holds, sign_link
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.ranges import Span
from visapi_gateway.kernel.problems import invalid_field


class ArtifactFile(msgspec.Struct, frozen=True):
    """An artifact that can be read, whole or in part."""

    id: str
    size: int
    media_type: str
    chunks: Callable[[Span | None], AsyncIterator[bytes]]


class ArtifactSource(Protocol):
    async def size(self, tenant: str, artifact: str) -> int | None: ...
    def media_type(self, artifact: str) -> str: ...
    def stream(self, tenant: str, artifact: str, span: Span | None = None) -> AsyncIterator[bytes]: ...
    async def find(self, tenant: str, artifact: str) -> StoredObject | None: ...
    async def remove(self, tenant: str, artifact: str, seen: StoredObject) -> None:
        """Remove the artifact, unless it was put again after it was `seen`."""
        ...


class Record(Protocol):
    async def __call__(self, audit: AuditEntry) -> None:
        """Append to the audit, and commit."""
        ...


class Artifacts:
    """The artifacts of a tenant."""

    def __init__(self, source: ArtifactSource, record: Record, keys: Keyring, clock: WallClock) -> None:
        self._source = source
        self._record = record
        self._keys = keys
        self._clock = clock

    async def open(self, tenant: str, artifact: str) -> ArtifactFile:
        """Raises `ProblemError` 404, for artifacts of other tenants too."""
        size = await self._source.size(tenant, artifact)
        if size is None:
            raise _no_such_artifact(artifact)
        chunks = partial(self._source.stream, tenant, artifact)
        return ArtifactFile(artifact, size, self._source.media_type(artifact), chunks)

    async def link(self, tenant: str, artifact: str, seconds: int) -> ArtifactLink:
        """A link that needs no key. Raises `ProblemError` 400 and 404."""
        if not 1 <= seconds <= LINK_MAX_S:
            raise invalid_field("/expires_in_s", f"must lie between 1 and {LINK_MAX_S} seconds")
        if await self._source.size(tenant, artifact) is None:
            raise _no_such_artifact(artifact)
        now = self._clock.now()
        until = now + timedelta(seconds=seconds)
        expires = int(until.timestamp())
        signature = sign_link(self._keys.at(now).secret, tenant, artifact, expires)
        url = f"/v1/artifacts/{artifact}?tenant={tenant}&expires={expires}&signature={signature}"
        return ArtifactLink(url=url, expires_at=datetime.fromtimestamp(expires, UTC))

    async def open_link(self, tenant: str, artifact: str, expires: int, signature: str) -> ArtifactFile:
        """Raises `ProblemError` 403 for a link that is invalid or expired."""
        now = self._clock.now().timestamp()
        if not link_holds(self._keys, tenant, artifact, expires, signature=signature, now=now):
            detail = "the link is invalid or has expired; make a new one with POST /v1/artifacts/{id}/links"
            raise ProblemError("link_invalid", detail, status=403)
        return await self.open(tenant, artifact)

    async def remove(self, who: Requester, artifact: str) -> None:
        """Remove an artifact for good. The audit says so first: nothing is removed unrecorded. What is put
        again meanwhile stays, because whoever put it was told that it is there. Raises `ProblemError` 404,
        and 409 for an export of the audit.
        """
        found = await self._source.find(who.tenant, artifact)
        if found is None:
            raise _no_such_artifact(artifact)
        if is_kept(artifact):
            detail = (
                "this file holds rows that were cut from the audit, and is kept; the operator may move it"
            )
            raise ProblemError("artifact_kept", detail, status=409)
        await self._record(entry(who, AuditAction.ARTIFACT_REMOVE, f"artifact:{artifact}", size=found.size))
        await self._source.remove(who.tenant, artifact, found)


def _no_such_artifact(artifact: str) -> ProblemError:
    detail = f"there is no artifact {artifact[:80]} of this tenant"
    return ProblemError("artifact_not_found", detail, status=404)
