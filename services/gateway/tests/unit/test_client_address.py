"""Which address a request counts for."""

import pytest

from visapi_gateway.kernel.asgi.client_address import ClientAddresses, networks

PROXIES = ClientAddresses(networks(["10.0.0.0/8", "fd00::/8"]))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.1.1.1", [b"203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", [b"6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", [b"6.6.6.6", b"203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", [b"203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        ("10.1.1.1", [b"203.0.113.9:4711"], "203.0.113.9"),
        ("10.1.1.1", [b"[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        ("10.1.1.1", [b"::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.1.1.1", [b"203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", [b"6.6.6.6, unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", [b"10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", [b""], "10.1.1.1"),
        ("10.1.1.1", [b"\xff\xfe"], "10.1.1.1"),
        ("10.1.1.1", [b"1.2.3.4," * 5000 + b"203.0.113.9"], "203.0.113.9"),
        ("203.0.113.1", [b"6.6.6.6"], "203.0.113.1"),
        ("2001:db8::1", [b"6.6.6.6"], "2001:db8::/64"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(peer: str, forwarded: list[bytes], address: str) -> None:
    headers = [(b"host", b"a"), *((b"x-forwarded-for", value) for value in forwarded)]
    assert PROXIES.of(peer, headers) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "known"),
    [
        ("10.1.1.1", ["203.0.113.9"], True),
        ("10.1.1.1", ["10.2.2.2"], True),
        ("10.1.1.1", [], False),
        ("10.1.1.1", [""], False),
        ("10.1.1.1", [" , "], False),
        ("10.1.1.1", ["unknown"], False),
        ("10.1.1.1", ["203.0.113.9, unknown, 10.2.2.2"], False),
        ("10.1.1.1", ["203.0.113.9,"], False),
        ("203.0.113.1", [], True),
    ],
)
def test_the_address_is_unknown_where_a_trusted_proxy_names_no_client(
    peer: str, forwarded: list[str], known: bool
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert PROXIES.find(peer, headers)[1] is known


def test_without_trusted_proxies_no_header_is_believed() -> None:
    assert ClientAddresses().of("10.1.1.1", [(b"x-forwarded-for", b"6.6.6.6")]) == "10.1.1.1"


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        networks(["proxy.example.com"])
