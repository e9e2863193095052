"""Immutable objects in a directory or a bucket, over obstore. Translates obstore's errors into faults.

The bytes of a stored object never change, so putting the same bytes twice is harmless.
"""

import asyncio
import os
import re
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from visapi_common.adapters.s3 import S3Access, open_bucket
from visapi_common.core.errors import OperatorFault, PermanentFault, ProblemError, TransientFault
from visapi_common.core.stored_objects import StoredObject

Span = tuple[int, int]
"""The bytes of an object from the first to before the second number."""
CHUNK_BYTES = 256 * 1024
_MODE = 0o750
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_BUCKET = "NoSuchBucket"
_FOR_CREDENTIALS = re.compile(r"POST REDACTED|/latest/(api|meta-data)/|//169\.254\.")
"""Requests in obstore's messages that asked for credentials: of web identity, and of metadata services."""
_CONTAINER_CREDENTIALS = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_MEND_CREDENTIALS = (
    "set VISAPI_S3_ACCESS_KEY_ID_FILE and VISAPI_S3_SECRET_ACCESS_KEY_FILE, or give this pod or instance a "
    "role"
)
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")


class ObjectStore:
    """Objects by path. Callers build paths from checked parts."""

    def __init__(self, store: LocalStore | S3Store, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def open(cls, url: str, access: S3Access | None = None) -> "ObjectStore":
        """Open `file:///directory` (made when missing) or `s3://bucket/prefix`; `access` says how a bucket is
        reached.

        Raises `ValueError` for any other URL, `PermanentFault` when the directory cannot be made.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
            folder = Path(unquote(parts.path))
            try:
                folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
            except OSError as error:
                raise PermanentFault(f"cannot make the artifact directory {folder}: {error}") from error
            return cls(LocalStore(folder), folder)
        if parts.scheme == "s3" and parts.netloc:
            with _faults(url):
                return cls(open_bucket(url, access or S3Access()), None)
        raise ValueError(f"not an artifact store: {url!r}; use file:///directory or s3://bucket/prefix")

    async def put(self, path: str, data: bytes, media_type: str, *, renewed: bool = False) -> None:
        """Store `data` unless the object exists. On return the object survives a power cut. `renewed`:
        one that exists counts as put now, so that whoever removes what was put before keeps it.
        """
        attributes = None if self._folder else {"Content-Type": media_type}
        with _faults(path):
            try:
                await obstore.put_async(self._store, path, data, mode="create", attributes=attributes)
            except AlreadyExistsError:
                if await self._stored_size(path) == len(data) and await self._settled(path, renewed=renewed):
                    return
                # After a power cut a file can be shorter than the data that was written to it; or somebody
                # has removed it since. A bucket renews an object when it is written again.
                await obstore.put_async(self._store, path, data, attributes=attributes)
        if self._folder is not None:
            await asyncio.to_thread(_flush, self._folder, path)

    async def _settled(self, path: str, *, renewed: bool) -> bool:
        """Whether an object that exists need not be written again."""
        if not renewed:
            return True
        return self._folder is not None and await asyncio.to_thread(_renew, self._folder / path)

    async def get(self, path: str) -> bytes:
        """The whole object. Raises `ProblemError` (404) when it is not there."""
        with _faults(path):
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())

    async def stream(self, path: str, span: Span | None = None) -> AsyncIterator[bytes]:
        """The object, or a span of it, in chunks. Raises `ProblemError` (404) at the first one when it is not
        there.
        """
        with _faults(path):
            found = await obstore.get_async(
                self._store, path, options=None if span is None else {"range": span}
            )
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def size(self, path: str) -> int | None:
        """Bytes of the object, `None` when it is not there."""
        found = await self.find(path)
        return None if found is None else found.size

    async def find(self, path: str) -> StoredObject | None:
        """The object without its bytes, `None` when it is not there."""
        try:
            with _faults(path):
                head = await obstore.head_async(self._store, path)
        except ProblemError:
            return None
        return StoredObject(head["size"], head["last_modified"])

    async def remove(self, path: str, seen: StoredObject | None = None) -> None:
        """Remove the object; it may be gone already. On return it does not come back after a power cut.
        One that was renewed after it was `seen` stays. A bucket tells this by whole seconds, and cannot keep
        an object that is renewed between the look and the removal.
        """
        if self._folder is not None:
            with _faults(path):
                await asyncio.to_thread(_remove, self._folder / path, seen)
            return
        if seen is not None:
            found = await self.find(path)
            if found is None or found.put_at > seen.put_at:
                return
        with _faults(path):
            try:
                await obstore.delete_async(self._store, path)
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise

    async def _stored_size(self, path: str) -> int | None:
        try:
            return (await obstore.head_async(self._store, path))["size"]
        except FileNotFoundError:
            return None

    async def remove_folder(self, prefix: str) -> None:
        """Remove a folder of which no objects are left, with the parts of files that a killed process left
        there, which no listing shows. A bucket has neither.
        """
        if self._folder is not None:
            with _faults(prefix):
                await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)

    async def paths(self, prefix: str) -> AsyncGenerator[str]:
        """The paths of all objects under `prefix`, which ends in `/`."""
        with _faults(prefix):
            objects: Any = obstore.list(self._store, prefix)  # pyright: ignore[reportUnknownMemberType] (no types)
            async for some in objects:
                for each in some:
                    yield each["path"]


def _renew(path: Path) -> bool:
    """Count a file as put now; False when it is gone."""
    now_ns = time.time_ns()
    try:
        os.utime(path, ns=(now_ns, now_ns))
    except FileNotFoundError:
        return False
    return True


def _remove(path: Path, seen: StoredObject | None) -> None:
    """A file is taken away before it is judged: whoever renews it meanwhile finds it gone, and writes anew.
    The store takes a name that ends in `#` and digits for none of its objects.
    """
    if seen is not None and _is_newer(path, seen):
        return
    taken = path.with_name(f"{path.name}#{time.time_ns()}")
    try:
        path.rename(taken)
    except FileNotFoundError:
        return
    if seen is not None and _is_newer(taken, seen):
        taken.rename(path)
    else:
        taken.unlink()
    _flush_folder(path.parent)


def _is_newer(path: Path, seen: StoredObject) -> bool:
    try:
        changed_us = path.stat().st_mtime_ns // 1_000
    except FileNotFoundError:
        return False
    return changed_us > (seen.put_at - _EPOCH) // timedelta(microseconds=1)


def _flush(folder: Path, path: str) -> None:
    """The store renames a finished file into place, but leaves it in the page cache."""
    target = folder / path
    _sync(target)
    _sync(target.parent)


def _flush_folder(folder: Path) -> None:
    """A tenant without artifacts has no folder."""
    if folder.is_dir():
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _faults(what: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise _for_operator(
                f"has no bucket for {what}; create it, or set VISAPI_ARTIFACTS_URL"
            ) from error
        raise ProblemError("artifact_not_found", f"there is no object {what}", status=404) from error
    except (InvalidPathError, NotSupportedError) as error:
        raise PermanentFault(f"the artifact store refused {what}: {_first_line(error)}") from error
    except (BaseError, OSError) as error:
        text = _first_line(error)
        if _asked_for_credentials(text):
            raise _for_operator(f"gives no credentials for {what}; {_MEND_CREDENTIALS}: {text}") from error
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            code = _CODE.search(str(error))
            why = f"{code[1]}: {text}" if code else text
            raise _for_operator(f"refused {what}; let this service get and put objects: {why}") from error
        raise TransientFault(f"the artifact store failed on {what}: {text}") from error


def _asked_for_credentials(text: str) -> bool:
    container = os.environ.get(_CONTAINER_CREDENTIALS)
    return bool(_FOR_CREDENTIALS.search(text)) or (bool(container) and f"{container} in " in text)


def _for_operator(text: str) -> OperatorFault:
    """A missing bucket, policy or key is the operator's to fix, and faults no run."""
    return OperatorFault(f"the artifact store {text}", sort="artifacts")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]
