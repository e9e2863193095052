"""Authentication policies (dsl-reference, Authentication): inline, by name, or from a secret.

A policy becomes an argument of the call, and the worker of the call applies it. Every property that
may hold a credential may be an expression.
"""

from collections.abc import Mapping
from typing import Any

from visapi_engine.checks.shapes import as_choice, as_list, as_object, as_text, check_keys
from visapi_engine.compile.build import Build
from visapi_engine.compile.secrets import secret_source
from visapi_engine.compile.templates import generated, is_wrapped, record, template
from visapi_engine.model.program import Literal, Template
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

SCHEMES: Mapping[str, str | None] = {
    "basic": "Basic",
    "bearer": "Bearer",
    "certificate": None,
    "digest": "Digest",
    "oauth2": "Bearer",
    "oidc": "Bearer",
}
"""Each kind of policy, and the scheme of `$authorization` that it leads to (RFC 9110, section 11).

A certificate is presented in TLS; the specification names the policy but not its properties.
"""

GRANTS = (
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
_ENCODINGS = ("application/x-www-form-urlencoded", "application/json")
_OIDC = (
    "authority", "grant", "client", "request", "issuers", "scopes", "audiences", "username", "password",
    "subject", "actor",
)  # fmt: skip
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "basic": (("username", "password"), ("username", "password")),
    "digest": (("username", "password"), ("username", "password")),
    "bearer": (("token",), ("token",)),
    "certificate": (("certificate", "key", "password"), ("certificate", "key")),
    "oauth2": ((*_OIDC, "endpoints"), ("authority", "grant")),
    "oidc": (_OIDC, ("authority", "grant")),
}
"""The properties of each kind, and its required properties."""


class Policy:
    """A compiled policy: the argument, and its scheme."""

    def __init__(self, argument: Template, scheme: str | None) -> None:
        self.argument = argument
        self.scheme = scheme


_NOTHING = Policy(Literal(None), None)


def read_authentication(
    build: Build, value: Any, at: str, names: frozenset[str], *, named: bool = True
) -> Policy:
    """A policy, or (where `named` allows) the name of one in `use.authentications`."""
    if named and isinstance(value, str) and not is_wrapped(value):
        return _by_name(build, value, at, names)
    given = as_object(build.findings, value, at, "`authentication`")
    if given is None:
        return _NOTHING
    allowed = (*SCHEMES, "use") if named else tuple(SCHEMES)
    check_keys(build.findings, given, at, allowed)
    kinds = [kind for kind in allowed if kind in given]
    if len(kinds) != 1:
        build.findings.error(
            at, f"`authentication` must have exactly one of {listed(allowed)}, found {listed(kinds)}"
        )
        return _NOTHING
    kind = kinds[0]
    if kind == "use":
        name = as_text(build.findings, given["use"], join(at, "use"), "`use`")
        return _NOTHING if name is None else _by_name(build, name, join(at, "use"), names)
    return Policy(record({kind: _policy(build, kind, given[kind], join(at, kind), names)}), SCHEMES[kind])


def _by_name(build: Build, name: str, at: str, names: frozenset[str]) -> Policy:
    known = build.use.authentications
    if name not in known:
        hint = nearest(name, known)
        build.findings.error(
            at, f'no policy called "{name}" in use.authentications.{hint} Defined: {listed(known)}'
        )
        return _NOTHING
    return read_authentication(build, known[name], join("/use/authentications", name), names, named=False)


def _policy(build: Build, kind: str, value: Any, at: str, names: frozenset[str]) -> Template:
    if kind == "bearer" and isinstance(value, str):
        return record({"token": template(build, value, at, names)})
    given = as_object(build.findings, value, at, f"`{kind}`")
    if given is None:
        return Literal(None)
    if "use" in given:
        return _from_secret(build, given, at, names)
    allowed, required = _FIELDS[kind]
    check_keys(build.findings, given, at, (*allowed, "use"), required=required)
    if kind in ("oauth2", "oidc"):
        _check_oauth(build, given, at)
    return template(build, {key: given[key] for key in allowed if key in given}, at, names)


def _from_secret(build: Build, given: dict[str, Any], at: str, names: frozenset[str]) -> Template:
    check_keys(build.findings, given, at, ("use",))
    name = as_text(build.findings, given["use"], join(at, "use"), "`use`")
    if name is None:
        return Literal(None)
    return generated(build, secret_source(name), join(at, "use"), names | {"secrets"})


def _check_oauth(build: Build, given: dict[str, Any], at: str) -> None:
    findings = build.findings
    grant = given.get("grant")
    if grant == "authorization_code":
        findings.refuse(join(at, "grant"), "the grant authorization_code; nobody is there to log in")
    elif "grant" in given and not is_wrapped(grant):
        as_choice(findings, grant, join(at, "grant"), "`grant`", GRANTS)
    for key, allowed in (
        ("endpoints", ("token", "revocation", "introspection")),
        ("client", ("id", "secret", "assertion", "authentication")),
        ("request", ("encoding",)),
        ("subject", ("token", "type")),
        ("actor", ("token", "type")),
    ):
        inner = as_object(findings, given[key], join(at, key), f"`{key}`") if key in given else None
        if inner is not None:
            check_keys(findings, inner, join(at, key), allowed)
    client = given.get("client")
    if isinstance(client, dict) and "authentication" in client:
        where = join(at, "client", "authentication")
        as_choice(findings, client["authentication"], where, "`authentication`", _METHODS)
    request = given.get("request")
    if isinstance(request, dict) and "encoding" in request:
        as_choice(findings, request["encoding"], join(at, "request", "encoding"), "`encoding`", _ENCODINGS)
    for key in ("issuers", "scopes", "audiences"):
        if key in given and not is_wrapped(given[key]):
            as_list(findings, given[key], join(at, key), f"`{key}`")
