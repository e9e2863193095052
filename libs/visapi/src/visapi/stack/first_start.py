"""What the first start of an embedded stack makes in its database: roles, schema, the first API key."""

from visapi.admin.databases import OWNER, SERVICE_ROLES, create_database, make_roles
from visapi.admin.keys import KeptKeyError, WantedKey, ensure_key
from visapi.admin.operators import actor
from visapi.stack import postgres
from visapi.stack.data_directory import DataDirectory
from visapi_common.adapters.migrate import apply_migrations
from visapi_common.core.keyrings import Keyring
from visapi_common.core.scopes import ALL, OPERATOR_SCOPES


async def prepare_schema(database: postgres.Postgres) -> list[str]:
    """The roles and the schema of a cluster that runs. Returns the migrations applied now. Raises `Fault`."""
    superuser = database.url(postgres.SUPERUSER, "postgres")
    await make_roles(superuser, {role: database.passwords[role] for role in (OWNER, *SERVICE_ROLES)})
    await create_database(superuser, "visapi")
    return await apply_migrations(database.url(OWNER))


async def ensure_first_key(data: DataDirectory, owner_url: str, peppers: Keyring) -> str:
    """The key kept in the data directory. Another one takes its place when it was revoked, or when the
    database does not know it, as when the database was removed.
    """
    name = "first key of the embedded stack"
    scopes = (ALL, *OPERATOR_SCOPES)
    first = WantedKey(name=name, made_by="visapi up", actor=actor(None), scopes=scopes)
    try:
        return await ensure_key(owner_url, peppers, first, kept=data.kept_api_key(), keep=data.keep_api_key)
    except KeptKeyError:
        return await ensure_key(owner_url, peppers, first, kept=None, keep=data.keep_api_key)
