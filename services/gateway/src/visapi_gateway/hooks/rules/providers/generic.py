"""Providers without a scheme of their own: an HMAC as the settings say, Basic credentials, or nothing."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import MISSING, WRONG, Genuine, HookRequest, Refused, Verdict, fresh
from visapi_gateway.hooks.rules.scheme import SECRET_MIN, Description, ProviderRules, event_name, found_at
from visapi_gateway.hooks.rules.signing import content_id, is_same, is_signed

_BASIC = "basic "
_USER = "visapi"


def _verify_hmac(
    request: HookRequest, secrets: Sequence[str], settings: HookSettings, now: datetime
) -> Verdict:
    scheme = settings.hmac
    assert scheme is not None, "a hook of this provider was checked to have a scheme"
    given = request.header(scheme.header)
    timestamp = None if scheme.timestamp_header is None else request.header(scheme.timestamp_header)
    if given is None or not given.startswith(scheme.prefix):
        return MISSING
    if scheme.timestamp_header is not None and timestamp is None:
        return MISSING
    signature = given.removeprefix(scheme.prefix)
    if scheme.encoding == "hex":
        signature = signature.lower()
    signed = request.body
    if timestamp is not None:
        signed = b"%b%b%b" % (timestamp.encode("latin-1"), scheme.separator.encode(), request.body)
    keys = [secret.encode() for secret in secrets]
    if not is_signed(keys, signed, [signature], algorithm=scheme.algorithm, encoding=scheme.encoding):
        return WRONG
    return Genuine() if timestamp is None else fresh(timestamp, now, settings.tolerance_s)


def _verify_basic(request: HookRequest, secrets: Sequence[str], _: HookSettings, __: datetime) -> Verdict:
    given = request.header("authorization")
    if given is None or given[: len(_BASIC)].lower() != _BASIC:
        return Refused("signature", "the Basic credentials are missing")
    expected = [b64encode(secret.encode()).decode() for secret in secrets]
    if not is_same(given[len(_BASIC) :].strip(), expected):
        return Refused("signature", "the Basic credentials are wrong")
    return Genuine()


def _verify_nothing(_: HookRequest, __: Sequence[str], ___: HookSettings, ____: datetime) -> Verdict:
    return Genuine()


def _describe(request: HookRequest, data: Any, settings: HookSettings) -> Description | Refused:
    ident: str | None = content_id(request.body)
    if settings.id_from is not None:
        ident = found_at(settings.id_from, request, data)
        if not ident:
            return Refused("id", f"nothing stands at {settings.id_from}, where the id should be")
    name = None if settings.event_from is None else found_at(settings.event_from, request, data)
    return Description(ident, event_name(name, "received"))


def _mint_credentials(random: bytes) -> str:
    return f"{_USER}:{random.hex()}"


def _credentials_flaw(secret: str) -> str | None:
    user, colon, password = secret.partition(":")
    if not user or not colon or len(password) < SECRET_MIN:
        return f"must be user:password, with {SECRET_MIN} characters or more in the password"
    return None


HMAC = ProviderRules(_verify_hmac, _describe, generates=True, configurable=True)
BASIC = ProviderRules(
    _verify_basic,
    _describe,
    generates=True,
    mint=_mint_credentials,
    secret_flaw=_credentials_flaw,
    configurable=True,
)
NONE = ProviderRules(_verify_nothing, _describe, needs_secret=False, configurable=True)
