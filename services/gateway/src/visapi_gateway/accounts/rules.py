"""The checks of settings and credentials against the kind of their account. Pure."""

import re
from typing import Any

import msgspec

from visapi_common.contracts.account_kinds import KINDS, Kind
from visapi_common.contracts.accounts import CredentialView
from visapi_common.core.egress_policy import MalformedUrl, normalise_host
from visapi_gateway.kernel.problems import invalid_field

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_ENDS = 4
_encode = msgspec.json.Encoder().encode


def checked_settings(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """The settings with their defaults. Raises `ProblemError` 400."""
    found: dict[str, Any] = msgspec.to_builtins(_converted(given, KINDS[kind].settings, "settings"))
    if "host" in found:
        try:
            found["host"] = normalise_host(found["host"])
        except MalformedUrl as wrong:
            raise invalid_field("/settings/host", str(wrong)) from None
    return found


def checked_credentials(kind: Kind, given: dict[str, Any]) -> bytes:
    """The credentials as the JSON to seal. Raises `ProblemError` 400, which shows no part of a credential."""
    return _encode(_converted(given, KINDS[kind].credentials, "credentials"))


def shown_credentials(kind: Kind, given: dict[str, Any]) -> list[CredentialView]:
    """The names of checked credentials, and the parts that answers may show."""
    ends = KINDS[kind].ends_shown
    return [CredentialView(name, given[name][-_ENDS:] if name in ends else None) for name in sorted(given)]


def _converted(given: dict[str, Any], shape: type[msgspec.Struct], part: str) -> msgspec.Struct:
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as wrong:
        text = str(wrong)
        at = _AT.search(text)
        path = re.sub(r"\[(\d+)\]", r"/\1", at["path"].replace(".", "/")) if at else ""
        pointer = f"/{part}/{path}".rstrip("/")
        raise invalid_field(pointer, text[: at.start()] if at else text) from None
