"""The requests about API keys; see `operations`."""

from typing import Any

import msgspec

from visapi.client.call import Call, conditional, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.keys import DisableKey, KeyPage, KeyView, MadeKey, NewKey, RotateKey

JSON = "application/json"


def create_key(wanted: NewKey) -> Call[MadeKey]:
    """Make a key; only the answer shows it."""
    return Call(
        method="POST",
        path="/v1/keys",
        answer=MadeKey,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(wanted),
        repeatable=True,
        keyed=True,
    )


def read_key(key: str) -> Call[KeyView]:
    return Call(method="GET", path=f"/v1/keys/{_part(key)}", answer=KeyView, repeatable=True)


def rotate_key(key: str, overlap_s: int, *, if_match: str | None = None) -> Call[MadeKey]:
    """Make a successor; the key ends after the overlap."""
    return Call(
        method="POST",
        path=f"/v1/keys/{_part(key)}/rotate",
        answer=MadeKey,
        headers=conditional(if_match, {"Content-Type": JSON}),
        body=msgspec.json.encode(RotateKey(overlap_s)),
        repeatable=True,
        keyed=True,
    )


def disable_key(key: str, reason: str, *, if_match: str | None = None) -> Call[KeyView]:
    return Call(
        method="POST",
        path=f"/v1/keys/{_part(key)}/disable",
        answer=KeyView,
        headers=conditional(if_match, {"Content-Type": JSON}),
        body=msgspec.json.encode(DisableKey(reason)),
        repeatable=True,
    )


def enable_key(key: str, *, if_match: str | None = None) -> Call[KeyView]:
    path, headers = f"/v1/keys/{_part(key)}/enable", conditional(if_match)
    return Call(method="POST", path=path, answer=KeyView, headers=headers, repeatable=True)


def current_key() -> Call[KeyView]:
    """The key with which the client speaks."""
    return Call(method="GET", path="/v1/keys/current", answer=KeyView, repeatable=True)


def list_keys(*, limit: int = 200, cursor: str | None = None) -> Call[KeyPage]:
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/keys", answer=KeyPage, params=params, repeatable=True)


def revoke_key(key: str, *, if_match: str | None = None) -> Call[Any]:
    path, headers = f"/v1/keys/{_part(key)}", conditional(if_match)
    return Call(method="DELETE", path=path, answer=Any, headers=headers, repeatable=True)
