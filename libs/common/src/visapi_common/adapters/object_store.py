"""Immutable objects in a directory or a bucket, over obstore. Translates obstore's errors into faults.

A stored object never changes, so putting the same bytes twice is harmless. The endpoint and credentials of a
bucket come from the usual `AWS_*` variables, which obstore reads.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
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

from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault

CHUNK_BYTES = 256 * 1024
_RETRY_S = timedelta(seconds=10)
"""In-process retries of at most 10 s; after that the caller fails or tries again later."""
_REQUEST_TIMEOUT_S = timedelta(seconds=20)
_MODE = 0o750


class ObjectStore:
    """Objects by path. Callers build paths from checked parts."""

    def __init__(self, store: LocalStore | S3Store, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def open(cls, url: str) -> "ObjectStore":
        """Open `file:///directory` (made when missing) or `s3://bucket/prefix`.

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
            retry = {"max_retries": 5, "retry_timeout": _RETRY_S}
            # Plain HTTP is used only when the operator's AWS_ENDPOINT says so.
            client = {
                "allow_http": True,
                "timeout": _REQUEST_TIMEOUT_S,
                "connect_timeout": timedelta(seconds=3),
            }
            with _faults(url):
                store = S3Store.from_url(url, client_options=client, retry_config=retry)  # pyright: ignore[reportArgumentType]
            return cls(store, None)
        raise ValueError(f"not an artifact store: {url!r}; use file:///directory or s3://bucket/prefix")

    async def put(self, path: str, data: bytes, media_type: str) -> None:
        """Store `data` unless the object exists. On return the object survives a power cut."""
        attributes = None if self._folder else {"Content-Type": media_type}
        with _faults(path):
            try:
                await obstore.put_async(self._store, path, data, mode="create", attributes=attributes)
            except AlreadyExistsError:
                if (await obstore.head_async(self._store, path))["size"] == len(data):
                    return
                # A power cut can leave a file that is shorter than what was written to it.
                await obstore.put_async(self._store, path, data, attributes=attributes)
        if self._folder is not None:
            await asyncio.to_thread(_flush, self._folder, path)

    async def get(self, path: str) -> bytes:
        """The whole object. Raises `ProblemError` (404) when it is not there."""
        with _faults(path):
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The object in chunks. Raises `ProblemError` (404) at the first one when it is not there."""
        with _faults(path):
            found = await obstore.get_async(self._store, path)
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def size(self, path: str) -> int | None:
        """Bytes of the object, `None` when it is not there."""
        try:
            with _faults(path):
                return (await obstore.head_async(self._store, path))["size"]
        except ProblemError:
            return None


def _flush(folder: Path, path: str) -> None:
    """The store renames a finished file into place, but leaves it in the page cache."""
    target = folder / path
    for name in (target, target.parent):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _faults(what: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ProblemError("artifact_not_found", f"there is no object {what}", status=404) from error
    except (PermissionDeniedError, UnauthenticatedError, InvalidPathError, NotSupportedError) as error:
        raise PermanentFault(f"the artifact store refused {what}: {_first_line(error)}") from error
    except (BaseError, OSError) as error:
        raise TransientFault(f"the artifact store failed on {what}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]
