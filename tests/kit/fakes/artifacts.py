"""Artifacts in memory."""

import hashlib
from collections.abc import AsyncIterator

from kit.fakes.faults import Planned
from visapi_common.adapters.artifacts import media_type_of
from visapi_common.adapters.object_store import Span
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.core.errors import ProblemError


class FakeArtifacts:
    """See the gateway's `artifacts.service.ArtifactSource` and `audit.retention.Exports`, and the PDF worker's
    `functions.render.service.Artifacts`.
    """

    def __init__(self) -> None:
        self.faults = Planned()
        self.objects: dict[tuple[str, str], bytes] = {}
        """By tenant and id."""

    async def put(
        self, tenant: str, data: bytes, extension: str, media_type: str, name: str | None = None
    ) -> ArtifactRef:
        self.faults.meet("put")
        digest = hashlib.sha256(data).hexdigest()
        artifact = f"{digest}.{extension}"
        self.objects[tenant, artifact] = data
        return ArtifactRef(id=artifact, sha256=digest, size=len(data), media_type=media_type, name=name)

    async def size(self, tenant: str, artifact: str) -> int | None:
        data = self.objects.get((tenant, artifact))
        return None if data is None else len(data)

    def media_type(self, artifact: str) -> str:
        return media_type_of(artifact)

    async def stream(self, tenant: str, artifact: str, span: Span | None = None) -> AsyncIterator[bytes]:
        if (tenant, artifact) not in self.objects:
            raise ProblemError("artifact_not_found", f"there is no artifact {artifact}", status=404)
        first, end = span or (0, None)
        yield self.objects[tenant, artifact][first:end]

    async def remove(self, tenant: str, artifact: str) -> None:
        self.faults.meet("remove")
        self.objects.pop((tenant, artifact), None)
