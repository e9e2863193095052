"""The operations on rates and usage as values, as those of `operations.py`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, conditional, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.rates import CurrentRates, Rate, RatePage, SetNamedRate, SetRate
from visapi_common.contracts.usage import UsagePage


def current_rates() -> Call[CurrentRates]:
    """The rates of the client's key."""
    return Call(method="GET", path="/v1/rates/current", answer=CurrentRates, repeatable=True)


def list_rates(*, limit: int = 200, cursor: str | None = None) -> Call[RatePage]:
    """The rates that are set."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/rates", answer=RatePage, params=params, repeatable=True)


def read_rate(name: str) -> Call[Rate]:
    """The limits that several keys share."""
    return Call(method="GET", path=_named(name), answer=Rate, repeatable=True)


def set_rate(name: str, wanted: SetNamedRate, *, if_match: str | None = None) -> Call[Rate]:
    """The limits that several keys share."""
    return _set_rate(_named(name), wanted, if_match)


def remove_rate(name: str, *, if_match: str | None = None) -> Call[Any]:
    return Call(method="DELETE", path=_named(name), answer=Any, headers=conditional(if_match))


def read_rate_of_key(key: str) -> Call[Rate]:
    """What is set of a key; None is the operator's default."""
    return Call(method="GET", path=_of_key(key), answer=Rate, repeatable=True)


def set_rate_of_key(key: str, wanted: SetRate, *, if_match: str | None = None) -> Call[Rate]:
    return _set_rate(_of_key(key), wanted, if_match)


def reset_rate_of_key(key: str, *, if_match: str | None = None) -> Call[Any]:
    """The operator's defaults apply to the key again."""
    return Call(method="DELETE", path=_of_key(key), answer=Any, headers=conditional(if_match))


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
    given = {"from": first, "to": last, "workflow": workflow, "by": by, "cursor": cursor}
    params = query(limit, **given)
    return Call(method="GET", path="/v1/usage", answer=UsagePage, params=params, repeatable=True)


def _named(name: str) -> str:
    return f"/v1/rates/{_part(name)}"


def _of_key(key: str) -> str:
    return f"/v1/keys/{_part(key)}/rate"


def _set_rate(path: str, wanted: SetRate, if_match: str | None) -> Call[Rate]:
    body = msgspec.json.encode(
        {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    )
    headers = conditional(if_match, {"Content-Type": JSON})
    return Call(method="PUT", path=path, answer=Rate, headers=headers, body=body, repeatable=True)
