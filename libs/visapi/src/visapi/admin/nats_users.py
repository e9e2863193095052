"""Users of NATS with their permissions, as `nats-server` reads them.

Its configuration language takes JSON, so that no name or password can leave its string. A password may be
left to the server's own environment: `$NAME`, which only the configuration language knows.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from visapi.admin.nats_rights import SERVICES, Rights, rights_of, tenant_rights, worker_user
from visapi.admin.tenants import check_tenant
from visapi_common.contracts import subjects
from visapi_common.core.wire_text import function_name_flaw

_REFERENCE = re.compile(r'"(\$VISAPI_[A-Z0-9_]+)"')
_RESPONSE_S = 30


class User(msgspec.Struct, frozen=True):
    """One user. Without rights it may do everything, in tests."""

    name: str
    rights: Rights | None


def service_users() -> list[User]:
    return [User(name, rights_of(name)) for name in SERVICES]


def worker_users(workers: Mapping[str, tuple[str, ...]]) -> list[User]:
    """A user for each tenant's workers, which serve the functions named here and no others. Raises
    `ValueError`.
    """
    return [
        User(worker_user(check_tenant(tenant)), tenant_rights(tenant, tuple(map(_checked, functions))))
        for tenant, functions in workers.items()
    ]


def password_variable(user: str) -> str:
    """The variable that holds the password of a user, or with `_FILE` the path of a file with it."""
    return f"VISAPI_NATS_{user.upper().replace('-', '_')}_PASSWORD"


def render_account(name: str, users: list[User], passwords: Mapping[str, str]) -> str:
    """An account of these users, as a file to include in the configuration of every server of a cluster."""
    accounts = account_document(name, users, passwords)["accounts"]
    return f"accounts: {_REFERENCE.sub(lambda found: found[1], _pretty(accounts))}\n"


def render_users(users: list[User], passwords: Mapping[str, str]) -> str:
    """A list of users for a server without accounts."""
    return _pretty([_entry(user, passwords[user.name]) for user in users])


def account_document(name: str, users: list[User], passwords: Mapping[str, str]) -> dict[str, Any]:
    """The same as plain data, for tools that write the configuration, such as the chart of NATS."""
    return {
        "accounts": {
            name: {"jetstream": "enabled", "users": [_entry(user, passwords[user.name]) for user in users]}
        }
    }


def _entry(user: User, password: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"user": user.name, "password": password}
    return entry if user.rights is None else {**entry, "permissions": _permissions(user.rights)}


def _permissions(rights: Rights) -> dict[str, Any]:
    permissions: dict[str, Any] = {
        "publish": _allowed(rights.publish, rights.deny_publish),
        "subscribe": _allowed(rights.subscribe, rights.deny_subscribe),
    }
    if rights.responds:
        permissions["allow_responses"] = {"max": 1, "expires": f"{_RESPONSE_S}s"}
    return permissions


def _allowed(allow: tuple[str, ...], deny: tuple[str, ...]) -> dict[str, list[str]]:
    return {"allow": list(allow), "deny": list(deny)} if deny else {"allow": list(allow)}


def _checked(function: str) -> str:
    flaw = function_name_flaw(function)
    if flaw is not None:
        raise ValueError(flaw)
    if subjects.family_of(function) in subjects.RESERVED_FAMILIES:
        raise ValueError(f"{function} is served by VisAPI itself; workers of tenants cannot have it")
    return function


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
