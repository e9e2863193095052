"""A signed request in which any bit is another one is refused."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kit import webhooks
from visapi_common.contracts.hooks import HmacScheme, HookSettings, Provider
from visapi_gateway.hooks.rules.providers import PROVIDERS
from visapi_gateway.hooks.rules.requests import Genuine, HookRequest, Refused

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AT = NOW.timestamp()
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GENERIC = HookSettings(hmac=HmacScheme(**webhooks.SCHEME))

SIGNED_HEADERS: dict[Provider, list[str]] = {
    "github": ["x-hub-signature-256"],
    "stripe": ["stripe-signature"],
    "slack": ["x-slack-signature", "x-slack-request-timestamp"],
    "shopify": ["x-shopify-hmac-sha256"],
    "standard-webhooks": ["webhook-signature", "webhook-id", "webhook-timestamp"],
    "whatsapp": ["x-hub-signature-256"],
    "hmac": ["x-acme-signature", "x-acme-time"],
}


def headers_of(provider: Provider, secret: str, body: bytes) -> dict[str, str]:
    match provider:
        case "github":
            return webhooks.github(secret, body)
        case "stripe":
            # Without the signature of another scheme, which is not looked at.
            whole = webhooks.stripe(secret, body, at=AT)
            return {**whole, "Stripe-Signature": whole["Stripe-Signature"].partition(",v0=")[0]}
        case "slack":
            return webhooks.slack(secret, body, at=AT)
        case "shopify":
            return webhooks.shopify(secret, body)
        case "standard-webhooks":
            return webhooks.standard(STANDARD, body, ident="msg_1", at=AT)
        case "whatsapp":
            return webhooks.whatsapp(secret, body)
        case _:
            return webhooks.generic(secret, body, at=AT)


def flipped(data: bytes, bit: int) -> bytes:
    place = bit % (len(data) * 8)
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


providers = st.sampled_from(list(SIGNED_HEADERS))
secrets = st.text(st.characters(codec="utf-8", min_codepoint=1), min_size=16, max_size=64)
bodies = st.text(min_size=1, max_size=200).map(str.encode)


@given(providers, secrets, bodies, st.integers(min_value=0), st.data())
def test_any_flipped_bit_of_a_signed_request_refuses(
    provider: Provider, secret: str, body: bytes, bit: int, data: st.DataObject
):
    key = STANDARD if provider == "standard-webhooks" else secret
    settings = GENERIC if provider == "hmac" else HookSettings()
    whole = [
        (name.lower().encode(), text.encode()) for name, text in headers_of(provider, secret, body).items()
    ]
    verify = PROVIDERS[provider].verify
    assert isinstance(verify(HookRequest.of(whole, body), [key], settings, NOW), Genuine)

    spoiled = HookRequest.of(whole, flipped(body, bit))
    assert isinstance(verify(spoiled, [key], settings, NOW), Refused)
    name = data.draw(st.sampled_from(SIGNED_HEADERS[provider]))
    other = [(each, flipped(text, bit) if each == name.encode() else text) for each, text in whole]
    assert isinstance(verify(HookRequest.of(other, body), [key], settings, NOW), Refused), other


@given(providers, secrets, secrets, bodies)
def test_another_secret_refuses(provider: Provider, secret: str, other: str, body: bytes):
    if other == secret or provider == "standard-webhooks":
        return
    settings = GENERIC if provider == "hmac" else HookSettings()
    whole = [
        (name.lower().encode(), text.encode()) for name, text in headers_of(provider, secret, body).items()
    ]
    assert isinstance(
        PROVIDERS[provider].verify(HookRequest.of(whole, body), [other], settings, NOW), Refused
    )


@given(
    providers,
    st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=80)), max_size=10),
    st.dictionaries(
        st.sampled_from(sorted({name for names in SIGNED_HEADERS.values() for name in names})),
        st.binary(max_size=80),
    ),
    st.binary(max_size=100),
)
def test_no_bytes_raise_anything(
    provider: Provider, pairs: list[tuple[bytes, bytes]], known: dict[str, bytes], body: bytes
):
    settings = GENERIC if provider == "hmac" else HookSettings()
    request = HookRequest.of([*pairs, *((name.encode(), value) for name, value in known.items())], body)
    found = PROVIDERS[provider].verify(request, ["a-secret-of-somebody", STANDARD], settings, NOW)
    assert isinstance(found, Refused)
