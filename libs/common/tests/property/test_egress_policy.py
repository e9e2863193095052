"""The guard against a model: whatever is wrapped around a private IPv4 address stays private."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.backoff import full_jitter_s, retry_after_s
from visapi_common.core.egress_addresses import refusal
from visapi_common.core.egress_policy import EgressRefused, normalise_host, parse_url

WRAPPERS = {
    "compatible": lambda v: v,
    "mapped": lambda v: 0xFFFF << 32 | v,
    "translated": lambda v: 0xFFFF << 48 | v,
    "nat64": lambda v: 0x64FF9B << 96 | v,
    "6to4": lambda v: 0x2002 << 112 | v << 80 | 1,
    "teredo": lambda v: 0x20010000 << 96 | 0x08080808 << 64 | (~v & 0xFFFFFFFF),
    "isatap": lambda v: 0x2A001450 << 96 | 0x5EFE << 32 | v,
}
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)


@given(addresses, st.sampled_from(sorted(WRAPPERS)))
def test_no_wrapping_makes_a_refused_ipv4_address_reachable(inner: IPv4Address, wrapper: str) -> None:
    outer = IPv6Address(WRAPPERS[wrapper](int(inner)))
    if refusal(inner):
        assert refusal(outer)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_an_ipv6_address_outside_global_unicast_passes_only_for_its_embedded_ipv4(
    address: IPv6Address,
) -> None:
    if refusal(address) is None:
        assert int(address) >> 125 == 1 or int(address) >> 32 in (0, 0xFFFF, 0xFFFF0000, 0x64FF9B << 64)


@given(st.text(max_size=60))
def test_any_text_is_either_a_target_or_refused(text: str) -> None:
    for url in (text, "http://" + text, f"https://{text}/"):
        try:
            target = parse_url(url)
        except EgressRefused:
            continue
        assert target.host == normalise_host(target.host)
        assert target.scheme in ("http", "https")


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_never_exceeds_its_cap(attempt: int, draw: float) -> None:
    assert 0 <= full_jitter_s(attempt, base_s=0.2, cap_s=30.0, draw=draw) <= 30.0


@given(st.text(max_size=40))
def test_any_retry_after_is_a_number_or_nothing(text: str) -> None:
    from datetime import UTC, datetime

    found = retry_after_s(text, datetime(2026, 1, 1, tzinfo=UTC))
    assert found is None or found >= 0
