"""The stored bytes of a version of a template."""

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.templates import Manifest
from visapi_common.core.errors import PermanentFault

BYTES_MAX = 4 * 1024 * 1024
_read = Reader(Manifest, depth_max=STORED_DEPTH_MAX, bytes_max=BYTES_MAX)


def read_manifest(raw: bytes) -> Manifest:
    """Raises `PermanentFault` for bytes that this release cannot read."""
    manifest = _read(raw)
    if isinstance(manifest, Unreadable):
        raise PermanentFault(f"the stored template cannot be read: {manifest.reason}")
    return manifest
