"""The operations of endpoints as values; see `client.operations`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, keyed_post, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.endpoints import (
    EndpointPage,
    EndpointView,
    MadeEndpoint,
    MessageDetails,
    MessagePage,
    MessageState,
    NewEndpoint,
    ReplayMessage,
    RotateEndpoint,
    UpdateEndpoint,
)

_JSON = {"Content-Type": JSON}


def make_endpoint(wanted: NewEndpoint, *, idempotency_key: str | None = None) -> Call[MadeEndpoint]:
    """Make an endpoint; 409 where another one has its name. Only the first answer shows the secret."""
    body = msgspec.json.encode(wanted)
    return keyed_post("/v1/endpoints", MadeEndpoint, body, idempotency_key=idempotency_key)


def list_endpoints(
    *, name: str | None = None, limit: int = 200, cursor: str | None = None
) -> Call[EndpointPage]:
    """Endpoints, by name."""
    params = query(limit, name=name, cursor=cursor)
    return Call(method="GET", path="/v1/endpoints", answer=EndpointPage, params=params, repeatable=True)


def get_endpoint(endpoint: str) -> Call[EndpointView]:
    return Call(method="GET", path=_path(endpoint), answer=EndpointView, repeatable=True)


def update_endpoint(
    endpoint: str, wanted: UpdateEndpoint, *, if_match: str | None = None
) -> Call[EndpointView]:
    """Enable, disable or change an endpoint."""
    return Call(
        method="PATCH",
        path=_path(endpoint),
        answer=EndpointView,
        headers=conditional(if_match, _JSON),
        body=msgspec.json.encode(wanted),
        repeatable=True,
    )


def rotate_endpoint(
    endpoint: str,
    wanted: RotateEndpoint,
    *,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> Call[MadeEndpoint]:
    """Give an endpoint a new secret; earlier ones sign beside it for a while."""
    body = msgspec.json.encode(wanted)
    path = f"{_path(endpoint)}/rotate"
    return keyed_post(path, MadeEndpoint, body, idempotency_key=idempotency_key, if_match=if_match)


def remove_endpoint(endpoint: str, *, if_match: str | None = None) -> Call[Any]:
    return Call(method="DELETE", path=_path(endpoint), answer=Any, headers=conditional(if_match))


def ping_endpoint(endpoint: str, *, idempotency_key: str | None = None) -> Call[MessageDetails]:
    """Send an endpoint a webhook that tells of nothing."""
    return keyed_post(f"{_path(endpoint)}/ping", MessageDetails, idempotency_key=idempotency_key)


def list_messages(
    endpoint: str, *, state: MessageState | None = None, limit: int = 50, cursor: str | None = None
) -> Call[MessagePage]:
    """The webhooks to an endpoint, newest first."""
    params = query(limit, state=state, cursor=cursor)
    path = f"{_path(endpoint)}/messages"
    return Call(method="GET", path=path, answer=MessagePage, params=params, repeatable=True)


def get_message(endpoint: str, message: str) -> Call[MessageDetails]:
    """A webhook with its body and its attempts, with what is secret or personal masked."""
    path = f"{_path(endpoint)}/messages/{_part(message)}"
    return Call(method="GET", path=path, answer=MessageDetails, repeatable=True)


def replay_message(
    endpoint: str, message: str, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[MessageDetails]:
    """Send a webhook again, under the same id."""
    path = f"{_path(endpoint)}/messages/{_part(message)}/replay"
    body = msgspec.json.encode(ReplayMessage(reason))
    return keyed_post(path, MessageDetails, body, idempotency_key=idempotency_key)


def _path(endpoint: str) -> str:
    return f"/v1/endpoints/{_part(endpoint)}"
