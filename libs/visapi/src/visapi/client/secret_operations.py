"""The operations of secrets as values; see `client.operations`. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from visapi.client.call import Call, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.secrets import SecretPage


def list_secrets(*, limit: int = 200, cursor: str | None = None) -> Call[SecretPage]:
    """Secrets, without their values."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/secrets", answer=SecretPage, params=params, repeatable=True)


def put_secret(
    name: str, value: Any, *, hosts: Sequence[str] | None = None, short: bool = False
) -> Call[Any]:
    """Store or replace a secret; `hosts` says where it may be sent, `short` admits less than 8 characters."""
    restricted = {} if hosts is None else {"hosts": list(hosts)}
    admitted = {"short": True} if short else {}
    return Call(
        method="PUT",
        path=f"/v1/secrets/{_part(name)}",
        answer=Any,
        headers={"Content-Type": "application/json"},
        body=msgspec.json.encode({"value": value, **restricted, **admitted}),
        repeatable=True,
        private=True,
    )


def remove_secret(name: str) -> Call[Any]:
    """Remove a secret; calls that name it fail from then on."""
    return Call(method="DELETE", path=f"/v1/secrets/{_part(name)}", answer=Any)
