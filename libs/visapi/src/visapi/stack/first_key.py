"""The first API key of an embedded stack."""

from visapi.admin.keys import WantedKey, ensure_key
from visapi.stack.data_directory import DataDirectory

_FIRST = WantedKey(name="first key of the embedded stack", made_by="visapi up")


async def ensure_first_key(data: DataDirectory, owner_url: str, pepper: bytes) -> str:
    """The key kept in the data directory, made when there is none or it was revoked."""
    return await ensure_key(owner_url, pepper, _FIRST, kept=data.api_key(), keep=data.keep_api_key)
