"""The artifact store behind `artifacts.service`."""

from collections.abc import AsyncIterator

from visapi_common.adapters.artifacts import ArtifactStore, media_type_of


class ArtifactSource:
    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def size(self, tenant: str, artifact: str) -> int | None:
        return await self._store.size(tenant, artifact)

    def media_type(self, artifact: str) -> str:
        return media_type_of(artifact)

    def stream(self, tenant: str, artifact: str) -> AsyncIterator[bytes]:
        return self._store.stream(tenant, artifact)
