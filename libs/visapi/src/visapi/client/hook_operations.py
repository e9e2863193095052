"""The operations of hooks as values; see `client.operations`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, keyed_post, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.hooks import (
    HookDeliveryDetails,
    HookDeliveryPage,
    HookDeliveryView,
    HookPage,
    HookView,
    MadeHook,
    NewHook,
    Refusals,
    ReplayHookDelivery,
    RotateHook,
    UpdateHook,
)

_JSON = {"Content-Type": JSON}


def make_hook(wanted: NewHook, *, idempotency_key: str | None = None) -> Call[MadeHook]:
    """Make a hook; 409 where another one has its name."""
    body, private = msgspec.json.encode(wanted), _gives(wanted)
    return keyed_post("/v1/hooks", MadeHook, body, idempotency_key=idempotency_key, private=private)


def list_hooks(*, name: str | None = None, limit: int = 200, cursor: str | None = None) -> Call[HookPage]:
    """Hooks, by name."""
    params = query(limit, name=name, cursor=cursor)
    return Call(method="GET", path="/v1/hooks", answer=HookPage, params=params, repeatable=True)


def get_hook(hook: str) -> Call[HookView]:
    return Call(method="GET", path=_path(hook), answer=HookView, repeatable=True)


def update_hook(hook: str, wanted: UpdateHook, *, if_match: str | None = None) -> Call[HookView]:
    """Enable, disable or configure a hook."""
    body, headers = msgspec.json.encode(wanted), conditional(if_match, _JSON)
    return Call(
        method="PATCH", path=_path(hook), answer=HookView, headers=headers, body=body, repeatable=True
    )


def rotate_hook(
    hook: str, wanted: RotateHook, *, if_match: str | None = None, idempotency_key: str | None = None
) -> Call[MadeHook]:
    """Give a hook a new secret; the earlier one stays valid for a while."""
    return keyed_post(
        f"{_path(hook)}/rotate",
        MadeHook,
        msgspec.json.encode(wanted),
        idempotency_key=idempotency_key,
        if_match=if_match,
        private=_gives(wanted),
    )


def remove_hook(hook: str, *, if_match: str | None = None) -> Call[Any]:
    return Call(method="DELETE", path=_path(hook), answer=Any, headers=conditional(if_match))


def list_deliveries(
    hook: str, *, delivery: str | None = None, limit: int = 50, cursor: str | None = None
) -> Call[HookDeliveryPage]:
    """What a hook accepted, newest first."""
    params = query(limit, delivery=delivery, cursor=cursor)
    path = f"{_path(hook)}/deliveries"
    return Call(method="GET", path=path, answer=HookDeliveryPage, params=params, repeatable=True)


def get_delivery(hook: str, delivery: str) -> Call[HookDeliveryDetails]:
    """One delivery and its event, with what is secret or personal masked."""
    path = f"{_path(hook)}/deliveries/{_part(delivery)}"
    return Call(method="GET", path=path, answer=HookDeliveryDetails, repeatable=True)


def replay_delivery(
    hook: str, delivery: str, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[HookDeliveryView]:
    """Send the event of a delivery to workflows once more."""
    path = f"{_path(hook)}/deliveries/{_part(delivery)}/replay"
    body = msgspec.json.encode(ReplayHookDelivery(reason))
    return keyed_post(path, HookDeliveryView, body, idempotency_key=idempotency_key)


def get_refusals(hook: str) -> Call[Refusals]:
    return Call(method="GET", path=f"{_path(hook)}/refusals", answer=Refusals, repeatable=True)


def _gives(wanted: NewHook | RotateHook) -> bool:
    """Whether the body holds a secret."""
    return wanted.secret is not None or (isinstance(wanted, NewHook) and wanted.verify_token is not None)


def _path(hook: str) -> str:
    return f"/v1/hooks/{_part(hook)}"
