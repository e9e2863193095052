"""The operations of retention policies as values; see `client.operations`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.retention import Retention, RetentionPage, SetRetention


def list_retention(*, limit: int = 200, cursor: str | None = None) -> Call[RetentionPage]:
    """The namespaces that have a policy."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/retention", answer=RetentionPage, params=params, repeatable=True)


def get_retention(namespace: str) -> Call[Retention]:
    """How long ended runs of a namespace are kept."""
    return Call(method="GET", path=_path(namespace), answer=Retention, repeatable=True)


def set_retention(
    namespace: str, days: int, reason: str | None = None, *, if_match: str | None = None
) -> Call[Retention]:
    """How long ended runs are kept that start from now on; 400 where `days` is none of the choices."""
    return Call(
        method="PUT",
        path=_path(namespace),
        answer=Retention,
        headers=conditional(if_match, {"Content-Type": JSON}),
        body=msgspec.json.encode(SetRetention(days, reason)),
        repeatable=True,
    )


def reset_retention(namespace: str, *, if_match: str | None = None) -> Call[Any]:
    """The default applies to the namespace again."""
    return Call(method="DELETE", path=_path(namespace), answer=Any, headers=conditional(if_match))


def _path(namespace: str) -> str:
    return f"/v1/retention/{_part(namespace)}"
