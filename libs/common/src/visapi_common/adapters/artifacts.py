"""Artifacts (files that workers make), large payloads and templates, named by the hash of their content.

`artifacts/<tenant>/<sha256>.<extension>`, `payloads/<tenant>/<sha256>.json` and
`templates/<tenant>/<sha256>`: a repeated put of the same bytes is the same object, and no name that a caller
sends can leave its tenant's folder.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from visapi_common.adapters.object_store import ObjectStore, Span
from visapi_common.adapters.s3 import S3Access
from visapi_common.contracts.payloads import INLINE_LIMIT, PAYLOAD_LIMIT, Payload, inline
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_common.core.stored_objects import StoredObject

_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ARTIFACT_ID = re.compile(r"([0-9a-f]{64})\.([a-z0-9]{1,10})")
_EXTENSION = re.compile(r"[a-z0-9]{1,10}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PAYLOAD_REF = re.compile(r"payloads/([a-z0-9-]{1,63})/([0-9a-f]{64})\.json")

_HASHED_IN_LOOP_BYTES = 1024 * 1024
"""The most bytes that are hashed in the event loop: at most 5 ms on a processor without SHA instructions."""

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "html": "text/html; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "zip": "application/zip",
    "eml": "message/rfc822",
}
"""Media types by extension: the type served under an id must not depend on anything its maker can change
later.
"""


def media_type_of(artifact_id: str) -> str:
    """The media type to serve an artifact under; unknown extensions are opaque bytes."""
    return MEDIA_TYPES.get(artifact_id.rpartition(".")[2], "application/octet-stream")


class ArtifactStore:
    """The artifacts of all tenants. Safe to share: every method checks the tenant and the id."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @classmethod
    def open(cls, url: str, access: S3Access | None = None) -> "ArtifactStore":
        """Open `file:///directory` or `s3://bucket/prefix`. Raises `ValueError` for anything else."""
        return cls(ObjectStore.open(url, access))

    async def put(
        self, tenant: str, data: bytes, extension: str, media_type: str, name: str | None = None
    ) -> ArtifactRef:
        """Store `data` under its hash and return a reference. `name` is a file name for people, not a
        path.
        """
        if not _EXTENSION.fullmatch(extension):
            raise ProblemError("artifact_invalid", f"not a file extension: {extension!r}; use e.g. 'pdf'")
        digest = await _hash_of(data)
        artifact_id = f"{digest}.{extension}"
        await self._objects.put(_artifact_path(tenant, artifact_id), data, media_type, renewed=True)
        return ArtifactRef(id=artifact_id, sha256=digest, size=len(data), media_type=media_type, name=name)

    async def get(self, tenant: str, artifact_id: str) -> bytes:
        """The bytes, checked against their hash. Raises `ProblemError` 404, `PermanentFault` if damaged."""
        data = await self._objects.get(_artifact_path(tenant, artifact_id))
        await _check(data, artifact_id[:64], what=f"artifact {artifact_id}")
        return data

    def stream(self, tenant: str, artifact_id: str, span: Span | None = None) -> AsyncIterator[bytes]:
        """The bytes in chunks, unchecked. Raises `ProblemError` (404) at the first chunk."""
        return self._objects.stream(_artifact_path(tenant, artifact_id), span)

    async def size(self, tenant: str, artifact_id: str) -> int | None:
        """Bytes of the artifact, `None` when there is none (an id that cannot exist included)."""
        found = await self.find(tenant, artifact_id)
        return None if found is None else found.size

    async def find(self, tenant: str, artifact_id: str) -> StoredObject | None:
        """The artifact without its bytes, `None` when there is none (an id that cannot exist included)."""
        try:
            path = _artifact_path(tenant, artifact_id)
        except ProblemError:
            return None
        return await self._objects.find(path)

    async def exists(self, tenant: str, artifact_id: str) -> bool:
        return await self.size(tenant, artifact_id) is not None

    async def names(self, tenant: str) -> AsyncIterator[str]:
        """The ids of all artifacts of a tenant, in no order."""
        async for path in self._objects.paths(f"artifacts/{_checked(tenant)}/"):
            if _ARTIFACT_ID.fullmatch(path.rpartition("/")[2]):
                yield path.rpartition("/")[2]

    async def remove_some(self, tenant: str, limit: int) -> int:
        """Remove at most `limit` files of a tenant, whatever their names; return the number."""
        return await _remove_some(self._objects, f"artifacts/{_checked(tenant)}/", limit)

    async def remove(self, tenant: str, artifact_id: str, seen: StoredObject | None = None) -> None:
        """Remove the artifact; it may be gone already. The same bytes can be put again; where that was done
        after the artifact was `seen`, it stays.
        """
        await self._objects.remove(_artifact_path(tenant, artifact_id), seen)


class PayloadStore:
    """Values on the wire and in rows: inline up to `INLINE_LIMIT` bytes, by reference above it."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @classmethod
    def open(cls, url: str, access: S3Access | None = None) -> "PayloadStore":
        """Open the same URL as the artifact store's."""
        return cls(ObjectStore.open(url, access))

    async def pack(self, tenant: str, raw: bytes) -> Payload:
        """Wrap encoded JSON. Raises `ProblemError` (413) above `PAYLOAD_LIMIT`."""
        if len(raw) <= INLINE_LIMIT:
            return inline(raw)
        if len(raw) > PAYLOAD_LIMIT:
            detail = f"a value of {len(raw)} bytes of JSON exceeds {PAYLOAD_LIMIT}; store it as an artifact"
            raise ProblemError("payload_too_large", detail, status=413)
        digest = await _hash_of(raw)
        ref = f"payloads/{_checked(tenant)}/{digest}.json"
        await self._objects.put(ref, raw, "application/json")
        return Payload(ref=ref, size=len(raw), sha256=digest)

    async def names(self, tenant: str) -> AsyncIterator[str]:
        """The names of all large values of a tenant, in no order."""
        async for path in self._objects.paths(f"payloads/{_checked(tenant)}/"):
            if _PAYLOAD_REF.fullmatch(path):
                yield path.rpartition("/")[2]

    def stream(self, tenant: str, name: str) -> AsyncIterator[bytes]:
        """A large value in chunks, unchecked. Raises `ProblemError` (404) at the first chunk."""
        return self._objects.stream(f"payloads/{_checked(tenant)}/{name}")

    async def remove_some(self, tenant: str, limit: int) -> int:
        """Remove at most `limit` large values of a tenant; return the number."""
        return await _remove_some(self._objects, f"payloads/{_checked(tenant)}/", limit)

    async def unpack(self, tenant: str, payload: Payload) -> bytes:
        """The encoded JSON. Raises `PermanentFault` for a reference that is not this tenant's or damaged."""
        if payload.inline is not msgspec.UNSET:
            return bytes(payload.inline)
        match = _PAYLOAD_REF.fullmatch(payload.ref or "")
        if match is None or match[1] != tenant:
            raise PermanentFault(f"not a payload of tenant {tenant}: {payload.ref!r}")
        data = await self._objects.get(match[0])
        await _check(data, match[2], what=match[0])
        return data


async def _remove_some(objects: ObjectStore, folder: str, limit: int) -> int:
    gone = 0
    async with aclosing(objects.paths(folder)) as paths:
        async for path in paths:
            await objects.remove(path)
            gone += 1
            if gone == limit:
                break
    if not gone:
        await objects.remove_folder(folder)
    return gone


class TemplateStore:
    """The manifests and assets of templates. No operation on artifacts reads or removes them."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @classmethod
    def open(cls, url: str, access: S3Access | None = None) -> "TemplateStore":
        """Open the same URL as the artifact store's."""
        return cls(ObjectStore.open(url, access))

    async def put(self, tenant: str, data: bytes) -> str:
        """Store `data`; returns the hash that names it."""
        digest = await _hash_of(data)
        await self._objects.put(_template_path(tenant, digest), data, "application/octet-stream")
        return digest

    async def get(self, tenant: str, digest: str) -> bytes:
        """The bytes, checked against their hash. Raises `ProblemError` 404, `PermanentFault` if damaged."""
        path = _template_path(tenant, digest)
        data = await self._objects.get(path)
        await _check(data, digest, what=path)
        return data

    async def remove_some(self, tenant: str, limit: int) -> int:
        """Remove at most `limit` manifests and assets of a tenant; return the number."""
        return await _remove_some(self._objects, f"templates/{_checked(tenant)}/", limit)

    async def names(self, tenant: str) -> AsyncIterator[str]:
        """The hashes of all manifests and assets of a tenant, in no order."""
        async for path in self._objects.paths(f"templates/{_checked(tenant)}/"):
            if _SHA256.fullmatch(path.rpartition("/")[2]):
                yield path.rpartition("/")[2]

    def stream(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        """The bytes in chunks, unchecked. Raises `ProblemError` (404) at the first chunk."""
        return self._objects.stream(_template_path(tenant, digest))


def _template_path(tenant: str, digest: str) -> str:
    assert _SHA256.fullmatch(digest), f"not a SHA-256: {digest[:100]!r}"
    return f"templates/{_checked(tenant)}/{digest}"


def _artifact_path(tenant: str, artifact_id: str) -> str:
    if not _ARTIFACT_ID.fullmatch(artifact_id):
        detail = f"not an artifact id: {artifact_id[:100]!r}; it is <sha256>.<extension>"
        raise ProblemError("artifact_id_invalid", detail, status=400)
    return f"artifacts/{_checked(tenant)}/{artifact_id}"


def _checked(tenant: str) -> str:
    assert _TENANT.fullmatch(tenant), f"not a tenant id: {tenant!r}"
    return tenant


async def _hash_of(data: bytes) -> str:
    """Hashing releases the interpreter lock, so a large value is hashed in a thread."""
    if len(data) <= _HASHED_IN_LOOP_BYTES:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()


async def _check(data: bytes, digest: str, *, what: str) -> None:
    if await _hash_of(data) != digest:
        raise PermanentFault(f"{what} is damaged: its bytes do not have its hash; restore it from a backup")
