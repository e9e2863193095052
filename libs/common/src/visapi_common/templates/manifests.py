"""The stored bytes of a version of a template."""

from typing import TypeVar

import msgspec

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.templates import Manifest, TemplateContents
from visapi_common.core.errors import PermanentFault

BYTES_MAX = 4 * 1024 * 1024
_read = Reader(Manifest, depth_max=STORED_DEPTH_MAX, bytes_max=BYTES_MAX)
_read_contents = Reader(TemplateContents, depth_max=STORED_DEPTH_MAX, bytes_max=BYTES_MAX)

T = TypeVar("T")


def read_manifest(raw: bytes) -> Manifest:
    """Raises `PermanentFault` for bytes that this release cannot read. The manifest does not keep `raw`."""
    manifest = _readable(_read(raw))
    return msgspec.structs.replace(manifest, test_data=manifest.test_data.copy())


def read_contents(raw: bytes) -> TemplateContents:
    """The manifest without its test data, which is not decoded. Raises as `read_manifest` does."""
    return _readable(_read_contents(raw))


def _readable(read: T | Unreadable) -> T:
    if isinstance(read, Unreadable):
        raise PermanentFault(f"the stored template cannot be read: {read.reason}")
    return read
