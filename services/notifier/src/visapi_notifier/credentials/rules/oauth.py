"""OAuth 2 and OpenID Connect: the token request and its response. Pure.

RFC 6749 (grants, client authentication), RFC 7523 (assertions), RFC 8693 (token exchange), OpenID
Connect Discovery 1.0.
"""

import base64
import hashlib
import hmac
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from visapi_common.contracts.foreign import VALUE_DEPTH_MAX, Reader, Unreadable
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.outbound.rules.masking import NOTHING, Mask

Grant = Literal[
    "client_credentials", "password", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"
]
TIMEOUT_S = 30.0
DISCOVERY = "/.well-known/openid-configuration"
LIFETIME_MAX_S = 86_400 * 365
LIFETIME_S = 300.0
"""The life of a token whose issuer does not state one."""
_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ANSWER_MAX = 256 * 1024
_JWT_LIFETIME_S = 60
SAID_MAX = 300
_read = Reader(dict[str, Any], depth_max=VALUE_DEPTH_MAX, bytes_max=2 * _ANSWER_MAX, nul=True)


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    secret: str | None = None
    assertion: str | None = None
    authentication: Literal[
        "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"
    ] = "client_secret_post"


class Endpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str = "/oauth2/token"  # noqa: S105 (a path)
    revocation: str = "/oauth2/revoke"
    introspection: str = "/oauth2/introspect"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    encoding: Literal["application/x-www-form-urlencoded", "application/json"] = (
        "application/x-www-form-urlencoded"
    )


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    type: str


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An `oauth2` or `oidc` policy (dsl-reference)."""

    authority: str
    grant: Grant
    client: Client = Client()
    endpoints: Endpoints | None = None
    request: Request = Request()
    issuers: list[str] = []
    scopes: list[str] = []
    audiences: list[str] = []
    username: str | None = None
    password: str | None = None
    subject: Subject | None = None
    actor: Subject | None = None


class Token(msgspec.Struct, frozen=True):
    """`expires_in_s` counts from the answer."""

    value: str
    kind: str
    expires_in_s: float


class TokenRefused(Exception):
    """The authority gave no token; the text contains its reason."""


def token_url(policy: Policy) -> str:
    """The token endpoint of an `oauth2` policy."""
    endpoint = (policy.endpoints or Endpoints()).token
    if "://" in endpoint:
        return endpoint
    return policy.authority.rstrip("/") + "/" + endpoint.lstrip("/")


def discovery_url(policy: Policy) -> str:
    """The discovery URL of an `oidc` policy."""
    authority = policy.authority.rstrip("/")
    return authority if authority.endswith(DISCOVERY) else authority + DISCOVERY


def read_discovery(inbound: Inbound) -> str:
    """The token endpoint of a discovery document. Raises `TokenRefused`."""
    if inbound.status == 200:
        found = _read(inbound.body)
        endpoint = None if isinstance(found, Unreadable) else found.get("token_endpoint")
        if isinstance(endpoint, str):
            return endpoint
    raise TokenRefused(f"{inbound.url} answered {inbound.status} and no token_endpoint")


def build_request(policy: Policy, url: str, *, now_s: int, nonce: str) -> Outbound:
    """The token request."""
    fields: dict[str, str] = {"grant_type": policy.grant}
    if policy.scopes:
        fields["scope"] = " ".join(policy.scopes)
    if policy.audiences:
        fields["audience"] = " ".join(policy.audiences)
    if policy.grant == "password":
        fields |= {"username": policy.username or "", "password": policy.password or ""}
    if policy.grant == "refresh_token" and policy.subject is not None:
        fields["refresh_token"] = policy.subject.token
    if policy.grant.endswith("token-exchange"):
        fields |= _exchanged("subject", policy.subject) | _exchanged("actor", policy.actor)
    headers = [("accept", "application/json")]
    _authenticate(policy.client, fields, headers, url=url, now_s=now_s, nonce=nonce)
    if policy.request.encoding == "application/json":
        body = msgspec.json.encode(fields)
    else:
        body = urlencode(fields).encode()
    headers.append(("content-type", policy.request.encoding))
    return Outbound("POST", url, headers, body, TIMEOUT_S, body_max_bytes=_ANSWER_MAX)


def _exchanged(role: str, token: Subject | None) -> dict[str, str]:
    return {} if token is None else {f"{role}_token": token.token, f"{role}_token_type": token.type}


def _authenticate(
    client: Client,
    fields: dict[str, str],
    headers: list[tuple[str, str]],
    *,
    url: str,
    now_s: int,
    nonce: str,
) -> None:
    """Add the client's own authentication (RFC 6749, 2.3; RFC 7523, 2.2)."""
    if client.authentication == "client_secret_basic":
        pair = f"{quote(client.id or '', safe='')}:{quote(client.secret or '', safe='')}".encode()
        headers.append(("authorization", "Basic " + base64.b64encode(pair).decode()))
        return
    if client.id is not None:
        fields["client_id"] = client.id
    match client.authentication:
        case "client_secret_post":
            if client.secret is not None:
                fields["client_secret"] = client.secret
        case "client_secret_jwt":
            fields["client_assertion_type"] = _JWT
            fields["client_assertion"] = _signed(client, url, now_s, nonce)
        case "private_key_jwt":
            fields["client_assertion_type"] = _JWT
            fields["client_assertion"] = client.assertion or ""
        case _:
            return


def _signed(client: Client, audience: str, now_s: int, nonce: str) -> str:
    claims = {
        "iss": client.id,
        "sub": client.id,
        "aud": audience,
        "jti": nonce,
        "iat": now_s,
        "exp": now_s + _JWT_LIFETIME_S,
    }
    signing = ".".join(_part(part) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    mac = hmac.digest((client.secret or "").encode(), signing.encode(), "sha256")
    return f"{signing}.{_base64url(mac)}"


def _part(value: Any) -> str:
    return _base64url(msgspec.json.encode(value))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_token(policy: Policy, inbound: Inbound, mask: Mask = NOTHING) -> Token:
    """The token of a response. Raises `TokenRefused`; its text holds no credential."""
    read = _read(inbound.body)
    given: dict[str, Any] = {} if isinstance(read, Unreadable) else read
    value = given.get("access_token")
    if inbound.status != 200 or not isinstance(value, str) or not value:
        said = ": ".join(str(given[key]) for key in ("error", "error_description") if key in given)
        shown = f" ({mask.cut(said, SAID_MAX)})" if said else ""
        raise TokenRefused(f"{inbound.url} answered {inbound.status}{shown}")
    issuer = _issuer(value)
    if policy.issuers and issuer is not None and issuer not in policy.issuers:
        raise TokenRefused("the token's issuer is not among the policy's issuers")
    lasts = given.get("expires_in")
    seconds = (
        float(min(lasts, LIFETIME_MAX_S)) if isinstance(lasts, int | float) and lasts > 0 else LIFETIME_S
    )
    kind = given.get("token_type")
    named = kind.capitalize() if isinstance(kind, str) and kind.lower() == "bearer" else kind
    return Token(value, named if isinstance(named, str) and named else "Bearer", seconds)


def _issuer(token: str) -> str | None:
    """The issuer that a JWT names; None for an opaque token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _read(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    issuer = None if isinstance(claims, Unreadable) else claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def cache_key(tenant: str, kind: str, policy: Policy) -> str:
    """The cache key of a token: a hash of everything in its request."""
    return hashlib.sha256(f"{tenant}\0{kind}\0".encode() + msgspec.json.encode(policy)).hexdigest()
