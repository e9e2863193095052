"""The operations on rates and usage as values, as those of `operations.py`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import Call
from visapi.client.call import path_part as _part
from visapi.client.operations import JSON
from visapi_common.contracts.rates import CurrentRates, Rate, RatePage, SetNamedRate, SetRate
from visapi_common.contracts.usage import UsagePage


def current_rates() -> Call[CurrentRates]:
    """The rates of the client's key."""
    return Call(method="GET", path="/v1/rates/current", answer=CurrentRates, repeatable=True)


def list_rates() -> Call[RatePage]:
    """The first 200 rates that are set."""
    return Call(method="GET", path="/v1/rates", answer=RatePage, params={"limit": "200"}, repeatable=True)


def set_rate(name: str, wanted: SetNamedRate) -> Call[Rate]:
    """The limits that several keys share."""
    return _set_rate(f"/v1/rates/{_part(name)}", wanted)


def remove_rate(name: str) -> Call[Any]:
    return Call(method="DELETE", path=f"/v1/rates/{_part(name)}", answer=Any)


def set_rate_of_key(key: str, wanted: SetRate) -> Call[Rate]:
    return _set_rate(f"/v1/keys/{_part(key)}/rate", wanted)


def reset_rate_of_key(key: str) -> Call[Any]:
    """The operator's defaults apply to the key again."""
    return Call(method="DELETE", path=f"/v1/keys/{_part(key)}/rate", answer=Any)


def list_usage(
    *,
    first: str | None = None,
    last: str | None = None,
    workflow: str | None = None,
    by: str | None = None,
    limit: int = 200,
    cursor: str | None = None,
) -> Call[UsagePage]:
    """What was used, by day and workflow, or summed up `by` day or workflow; days of UTC, both included."""
    params: dict[str, str | list[str]] = {"limit": str(limit)}
    given = {"from": first, "to": last, "workflow": workflow, "by": by, "cursor": cursor}
    params |= {name: value for name, value in given.items() if value is not None}
    return Call(method="GET", path="/v1/usage", answer=UsagePage, params=params, repeatable=True)


def _set_rate(path: str, wanted: SetRate) -> Call[Rate]:
    body = msgspec.json.encode(
        {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    )
    return Call(
        method="PUT", path=path, answer=Rate, headers={"Content-Type": JSON}, body=body, repeatable=True
    )
