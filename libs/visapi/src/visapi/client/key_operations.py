"""The requests about API keys; see `operations`."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, keyed_post, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.keys import (
    ChangeKey,
    DisableKey,
    KeyPage,
    KeyView,
    LeakReceived,
    LeakReport,
    MadeKey,
    NewKey,
    RotateKey,
)


def create_key(wanted: NewKey, *, idempotency_key: str | None = None) -> Call[MadeKey]:
    """Make a key; only the answer shows it."""
    return keyed_post("/v1/keys", MadeKey, msgspec.json.encode(wanted), idempotency_key=idempotency_key)


def read_key(key: str) -> Call[KeyView]:
    return Call(method="GET", path=f"/v1/keys/{_part(key)}", answer=KeyView, repeatable=True)


def change_key(key: str, wanted: ChangeKey, *, if_match: str | None = None) -> Call[KeyView]:
    """Change what is given of a key."""
    return Call(
        method="PATCH",
        path=f"/v1/keys/{_part(key)}",
        answer=KeyView,
        headers=conditional(if_match, {"Content-Type": JSON}),
        body=msgspec.json.encode(wanted),
        repeatable=True,
    )


def rotate_key(
    key: str, overlap_s: int = 86_400, *, if_match: str | None = None, idempotency_key: str | None = None
) -> Call[MadeKey]:
    """Make a successor; the key ends after the overlap."""
    path, body = f"/v1/keys/{_part(key)}/rotate", msgspec.json.encode(RotateKey(overlap_s))
    return keyed_post(path, MadeKey, body, idempotency_key=idempotency_key, if_match=if_match)


def report_leak(key: str, found_at: str | None = None) -> Call[LeakReceived]:
    """Revoke a whole key that somebody found; the answer is the same for every key."""
    return Call(
        method="POST",
        path="/v1/keys/report-leak",
        answer=LeakReceived,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(LeakReport(key, found_at)),
        repeatable=True,
        private=True,
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
