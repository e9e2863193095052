"""Artifacts in memory."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from kit.fakes.faults import Planned
from visapi_common.adapters.artifacts import media_type_of
from visapi_common.adapters.object_store import Span
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.core.errors import ProblemError
from visapi_common.core.stored_objects import StoredObject

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class FakeArtifacts:
    """See the gateway's `artifacts.service.ArtifactSource` and `audit.retention.Exports`, and the PDF worker's
    `functions.render.service.Artifacts`.
    """

    def __init__(self) -> None:
        self.faults = Planned()
        self.objects: dict[tuple[str, str], bytes] = {}
        """By tenant and id."""
        self._put_at: dict[tuple[str, str], datetime] = {}
        self._puts = 0

    async def put(
        self, tenant: str, data: bytes, extension: str, media_type: str, name: str | None = None
    ) -> ArtifactRef:
        self.faults.meet("put")
        digest = hashlib.sha256(data).hexdigest()
        artifact = f"{digest}.{extension}"
        self.objects[tenant, artifact] = data
        self._puts += 1
        self._put_at[tenant, artifact] = _BEGAN + timedelta(seconds=self._puts)
        return ArtifactRef(id=artifact, sha256=digest, size=len(data), media_type=media_type, name=name)

    async def size(self, tenant: str, artifact: str) -> int | None:
        found = await self.find(tenant, artifact)
        return None if found is None else found.size

    async def find(self, tenant: str, artifact: str) -> StoredObject | None:
        data = self.objects.get((tenant, artifact))
        return None if data is None else StoredObject(len(data), self._put_at[tenant, artifact])

    def media_type(self, artifact: str) -> str:
        return media_type_of(artifact)

    async def stream(self, tenant: str, artifact: str, span: Span | None = None) -> AsyncIterator[bytes]:
        if (tenant, artifact) not in self.objects:
            raise ProblemError("artifact_not_found", f"there is no artifact {artifact}", status=404)
        first, end = span or (0, None)
        yield self.objects[tenant, artifact][first:end]

    async def remove(self, tenant: str, artifact: str, seen: StoredObject) -> None:
        self.faults.meet("remove")
        found = await self.find(tenant, artifact)
        if found is not None and found.put_at <= seen.put_at:
            del self.objects[tenant, artifact]
