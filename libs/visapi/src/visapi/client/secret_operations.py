"""The operations of secrets as values; see `client.operations`. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.secrets import SecretPage, SecretView


def list_secrets(*, limit: int = 200, cursor: str | None = None) -> Call[SecretPage]:
    """Secrets, without their values."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/secrets", answer=SecretPage, params=params, repeatable=True)


def get_secret(name: str) -> Call[SecretView]:
    """When the secret was stored and where it may be sent, without its value."""
    return Call(method="GET", path=f"/v1/secrets/{_part(name)}", answer=SecretView, repeatable=True)


def put_secret(
    name: str,
    value: Any,
    *,
    hosts: Sequence[str] | None = None,
    short: bool = False,
    if_match: str | None = None,
) -> Call[Any]:
    """Store or replace a secret; `hosts` says where it may be sent, `short` admits less than 8 characters."""
    restricted = {} if hosts is None else {"hosts": list(hosts)}
    admitted = {"short": True} if short else {}
    return Call(
        method="PUT",
        path=f"/v1/secrets/{_part(name)}",
        answer=Any,
        headers=conditional(if_match, {"Content-Type": JSON}),
        body=msgspec.json.encode({"value": value, **restricted, **admitted}),
        repeatable=True,
        private=True,
    )


def remove_secret(name: str, *, if_match: str | None = None) -> Call[Any]:
    """Remove a secret; calls that name it fail from then on."""
    path, headers = f"/v1/secrets/{_part(name)}", conditional(if_match)
    return Call(method="DELETE", path=path, answer=Any, headers=headers)
