"""Digest answers, token requests, and what their answers mean."""

import base64
import hmac

import msgspec
import pytest

from visapi_common.core.outbound import Inbound
from visapi_notifier.credentials.rules.digest_auth import answer, read_challenge
from visapi_notifier.credentials.rules.oauth import (
    Client,
    Endpoints,
    Policy,
    Request,
    Subject,
    TokenRefused,
    build_request,
    discovery_url,
    read_token,
    token_url,
)

EXAMPLE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
"""RFC 7616, section 3.9.1."""


def said(status: int, body: object) -> Inbound:
    return Inbound(status, [], msgspec.json.encode(body), "https://idp.example/token")


def test_the_example_of_the_rfc_is_answered_as_it_says() -> None:
    challenge = read_challenge([EXAMPLE])
    assert challenge is not None
    value = answer(
        challenge,
        username="Mufasa",
        password="Circle of Life",
        method="GET",
        target="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in value
    assert "nc=00000001" in value


def test_the_strongest_challenge_is_answered_and_unknown_ones_are_not() -> None:
    weak = EXAMPLE.replace("SHA-256", "MD5")
    challenge = read_challenge([f"Basic realm=x, {weak}", EXAMPLE])
    assert challenge is not None
    assert challenge.algorithm == "SHA-256"
    assert read_challenge(["Basic realm=x"]) is None
    assert read_challenge([EXAMPLE.replace("auth, auth-int", "auth-int")]) is None


def body(policy: Policy) -> dict[str, str]:
    request = build_request(policy, token_url(policy), now_s=1_700_000_000, nonce="n")
    pairs = (part.split("=", 1) for part in (request.body or b"").decode().split("&"))
    return dict(pairs)


def test_client_credentials_go_in_the_body_unless_told() -> None:
    client = Client(id="me", secret="s")
    policy = Policy("https://idp.example/", "client_credentials", client, scopes=["a", "b"], audiences=["x"])
    assert token_url(policy) == "https://idp.example/oauth2/token"
    assert body(policy) == {
        "grant_type": "client_credentials", "scope": "a+b", "audience": "x", "client_id": "me", "client_secret": "s",
    }  # fmt: skip


def test_basic_authentication_of_the_client_encodes_both_parts() -> None:
    client = Client(id="a b", secret="c:d", authentication="client_secret_basic")
    request = build_request(
        Policy("https://x", "client_credentials", client), "https://x/t", now_s=0, nonce="n"
    )
    assert dict(request.headers)["authorization"] == "Basic " + base64.b64encode(b"a%20b:c%3Ad").decode()


def test_a_signed_assertion_is_a_jwt_with_the_secret_as_its_key() -> None:
    client = Client(id="me", secret="key", authentication="client_secret_jwt")
    token = body(Policy("https://x", "client_credentials", client))["client_assertion"]
    head, claims, mac = token.split(".")
    expected = hmac.digest(b"key", f"{head}.{claims}".encode(), "sha256")
    assert base64.urlsafe_b64decode(mac + "=") == expected


def test_json_encoding_other_grants_and_endpoints() -> None:
    policy = Policy(
        "https://x",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        endpoints=Endpoints(token="/tokens"),
        request=Request("application/json"),
        subject=Subject("st", "urn:type"),
    )
    request = build_request(policy, token_url(policy), now_s=0, nonce="n")
    assert request.url == "https://x/tokens"
    assert msgspec.json.decode(request.body or b"") | {} == {
        "grant_type": policy.grant, "subject_token": "st", "subject_token_type": "urn:type",
    }  # fmt: skip


def test_discovery_takes_an_authority_with_or_without_its_tail() -> None:
    tail = "/.well-known/openid-configuration"
    for authority in ("https://x/realm", f"https://x/realm{tail}"):
        assert discovery_url(Policy(authority, "password")) == f"https://x/realm{tail}"


@pytest.mark.parametrize(("status", "received"), [(401, {"error": "invalid_client"}), (200, {}), (200, "x")])
def test_an_answer_without_a_token_is_a_refusal(status: int, received: object) -> None:
    with pytest.raises(TokenRefused):
        read_token(Policy("https://x", "password"), said(status, received))


def test_a_token_of_another_issuer_is_refused() -> None:
    claims = base64.urlsafe_b64encode(b'{"iss":"https://other"}').decode().rstrip("=")
    policy = Policy("https://x", "password", issuers=["https://x"])
    with pytest.raises(TokenRefused, match="issuer"):
        read_token(policy, said(200, {"access_token": f"h.{claims}.s"}))
    assert read_token(policy, said(200, {"access_token": "opaque", "token_type": "bearer"})).kind == "Bearer"
