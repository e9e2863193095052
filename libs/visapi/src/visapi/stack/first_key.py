"""The first API key of an embedded stack, so that nobody needs a key to make a key."""

import secrets

from visapi.stack.data_directory import DataDirectory
from visapi.stack.databases import connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.api_keys import hash_key, mint, parse

_QUERIES = load_queries("visapi.stack", "sql/first_key.sql")


async def ensure_first_key(data: DataDirectory, owner_url: str, pepper: bytes) -> str:
    """The key kept in the data directory, made when there is none or it was revoked."""
    async with connection(owner_url) as owner:
        kept = data.api_key()
        if kept and await owner.fetchval(_QUERIES["key_exists"], parse(kept).id):
            return kept
        key = mint("admin", secrets.randbits(128), secrets.randbits(256))
        await owner.execute(_QUERIES["insert_first_key"], parse(key).id, hash_key(pepper, key))
        data.keep_api_key(key)
        return key
