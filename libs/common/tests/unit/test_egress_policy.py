# ruff: noqa: RUF001 (the look-alikes are the attack)
"""What the egress policy refuses before any name is resolved, and what operators can open."""

import pytest

from visapi_common.core.egress_addresses import embedded_ipv4, parse_address, refusal
from visapi_common.core.egress_policy import (
    EgressRefused,
    Target,
    normalise_host,
    parse_url,
    policy_from,
)

FORBIDDEN_ADDRESSES = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"),
    *("127.1.2.3", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.8"),
    *("192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::a9fe:a9fe", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:a9fe:a9fe"),
    *(
        "::ffff:0:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:1:2::808:808",
    ),
    *(
        "2002:a9fe:a9fe::",
        "2002:7f00:1::1",
        "2002:c0a8:1::",
        "2001:0:a9fe:a9fe::",
        "2001:0:808:808::5601:5601",
    ),
    *("2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1"),
    *("2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:10.0.0.1", "fe80::1%eth0", "2a00:1450::1%1"),
]

PUBLIC_ADDRESSES = [
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450:4001::8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
]

HOSTILE_URLS = [
    # Schemes, whatever their case
    *(
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "data:text/plain,x",
    ),
    *(
        "javascript:alert(1)",
        "dict://example.com:11211/",
        "ldap://example.com/",
        "unix:///var/run/x",
        "ws://example.com/",
    ),
    *(
        "//example.com/",
        "/relative",
        "example.com",
        "",
        "http:",
        "http://",
        "http:///path",
        "https://:443/",
        "http:example.com",
    ),
    # Numbers that resolvers read as addresses
    *(
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0X7F.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
    ),
    *("http://127.1/", "http://127.0.1/", "http://0/", "http://127.0.0.1.1/", "http://256.256.256.256/"),
    *(
        "http://0x7f.0x0.0x0.0x1/",
        "http://1.2.3/",
        "http://127.0.0.0x1/",
        "http://00000177.1/",
        "http://4294967296/",
    ),
    *("http://1.1.1.09/", "http://0x/", "http://127.0.0.1../", "http://127..0.1/"),
    # Credentials that look like hosts
    *(
        "http://example.com@127.0.0.1/",
        "http://user:pass@example.com/",
        "http://@127.0.0.1/",
        "http://a@b@127.0.0.1/",
    ),
    "http://example.com:80@10.0.0.1/",
    # Whitespace, control characters, backslashes
    *(
        "http://exa mple.com/",
        " http://example.com/",
        "http://example.com/\r\nHost: x",
        "http://example.com/\x00",
    ),
    *(
        "http://example.com\\@127.0.0.1/",
        "http:\\\\127.0.0.1\\",
        "http://example.com/a\\b",
        "http://exam\tple.com/",
    ),
    *("http://example.com/\x7f", "http://example.com/\x85", "\x01http://example.com/"),
    # Ports
    *(
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:http/",
    ),
    *("http://example.com:99999999999/", "http://example.com:８０８０/"),
    # Hosts that are none
    *(
        "http://[::1",
        "http://::1/",
        "http://[::1%25lo]/",
        "http://[fe80::1%eth0]/",
        "http://[1.2.3.4]/",
        "http://[v1.x]/",
    ),
    *(
        "http://exa%6dple.com/",
        "http://-a.example/",
        "http://a-.example/",
        "http://a..b/",
        "http://./",
        "http://../",
    ),
    *(
        "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 130 + "com/",
        "http://*.example.com/",
        "http://a,b.com/",
    ),
    *(
        "http://exa<mple.com/",
        "http://example.com|x/",
        "http://xn--a.com\u2028/",
        "http://a\u200db\u3002/../",
        "http://$(id)/",
    ),
    "http://example.com/" + "a" * 9000,
]

REFUSED_AFTER_NORMALISING = [
    *(
        "http://127.0.0.1/",
        "HTTP://127.0.0.1/",
        "hTTps://10.0.0.1:8443/x",
        "http://127.0.0.1./",
        "http://[::1]/",
    ),
    *(
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:0001]/",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "http://[64:ff9b::7f00:1]/",
    ),
    *(
        "http://[2002:7f00:1::]/",
        "http://[::]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://１２７.0.0.1/",
    ),
    *("http://127。0。0。1/", "http://①②⑦.0.0.1/", "http://[::127.0.0.1]/", "http://0.0.0.0:8080/"),
    *(
        "http://127.0.0.1#@example.com:80@x/",
        "http://127.0.0.1?@example.com/",
        "http://127.0.0.1/@example.com",
    ),
]


@pytest.mark.parametrize("text", FORBIDDEN_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert refusal(address)


@pytest.mark.parametrize("text", PUBLIC_ADDRESSES)
def test_a_public_address_is_let_through(text: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert refusal(address) is None


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_url_is_refused_before_anything_is_resolved(url: str) -> None:
    with pytest.raises(EgressRefused):
        parse_url(url)


@pytest.mark.parametrize("url", REFUSED_AFTER_NORMALISING)
def test_a_url_that_spells_a_private_address_is_refused_however_it_is_spelled(url: str) -> None:
    policy = policy_from()
    with pytest.raises(EgressRefused):
        policy.check_address("host", parse_url(url).host)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", Target("https", "example.com", 443)),
        ("HTTPS://EXAMPLE.com.:8443/x?y#z", Target("https", "example.com", 8443)),
        ("http://bücher.example/", Target("http", "xn--bcher-kva.example", 80)),
        ("http://EXAMPLE。com/", Target("http", "example.com", 80)),
        ("http://ｅｘａｍｐｌｅ.com/", Target("http", "example.com", 80)),
        ("http://[2606:4700:0::1111]:8080/", Target("http", "2606:4700::1111", 8080)),
    ],
)
def test_equal_hosts_are_spelled_alike(url: str, expected: Target) -> None:
    assert expected == parse_url(url)


def test_teredo_hides_two_addresses() -> None:
    address = parse_address("2001:0:4136:e378:8000:63bf:3fff:fdd2")
    assert address is not None
    assert address.version == 6
    assert [str(inner) for inner in embedded_ipv4(address)] == ["65.54.227.120", "192.0.2.45"]


def test_one_bad_answer_among_good_ones_refuses_the_host() -> None:
    with pytest.raises(EgressRefused, match="VISAPI_EGRESS_ALLOW"):
        policy_from().check_addresses("example.com", ["93.184.216.34", "10.0.0.1"])


def test_an_operator_can_allow_a_block_a_host_and_a_host_with_its_port() -> None:
    policy = policy_from(["10.1.0.0/16", "Intranet.Example.", "127.0.0.1:9911", "fd00::/8", ""])
    assert policy.check_address("x", "10.1.2.3")
    assert policy.check_address("x", "::ffff:10.1.2.3")
    assert policy.check_address("x", "fd00::1")
    assert policy.allows_host("intranet.example", 4000)
    assert policy.allows_host("127.0.0.1", 9911)
    assert not policy.allows_host("127.0.0.1", 9912)
    with pytest.raises(EgressRefused):
        policy.check_address("x", "10.2.0.1")


@pytest.mark.parametrize("port", [22, 25, 6379, 11211])
def test_ports_of_other_protocols_are_refused_unless_the_host_is_allowed(port: int) -> None:
    target = Target("http", "example.com", port)
    with pytest.raises(EgressRefused):
        policy_from().route(target)
    assert policy_from([f"example.com:{port}"]).route(target).target == target


def test_a_mapped_origin_goes_to_its_stand_in_and_only_it() -> None:
    policy = policy_from(origins={"https://api.example.com": "http://127.0.0.1:9911"})
    assert policy.route(parse_url("https://API.example.com./x")).target == Target("http", "127.0.0.1", 9911)
    assert not policy.route(parse_url("https://api.example.com:444/")).mapped
    assert not policy.route(parse_url("http://api.example.com/")).mapped


@pytest.mark.parametrize("entry", ["http://x", "a b", "10.0.0.0/99", "user@host", "host:99999"])
def test_an_allow_entry_that_cannot_be_read_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="VISAPI_EGRESS_ALLOW"):
        policy_from([entry])


def test_a_host_is_never_normalised_twice_to_something_else() -> None:
    for host in ("example.com", "xn--bcher-kva.example", "2606:4700::1111", "93.184.216.34"):
        assert host == normalise_host(host)
