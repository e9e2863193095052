"""Secrets: sealed on arrival; the gateway never reads their values back."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.secrets import SecretPage, SecretView
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.etags import Check, match_check
from visapi_gateway.kernel.json_input import check_json
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.sealing import SealingKeys

VALUE_MAX = 64 * 1024
SHORT = 8
"""The least length of a value that is masked in the response of a call."""
TEXTS_MAX = 100
_NAMES = frozenset({"username", "user", "login", "email", "id", "client_id", "clientid", "account"})
"""Members that name the owner of a secret."""
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,126}[a-zA-Z0-9])?")
_HOST = re.compile(r"(?:[*][.])?[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?")
_encode = msgspec.json.Encoder().encode


class NewSecret(msgspec.Struct, frozen=True):
    """The stored secret."""

    tenant: str
    name: str
    sealed: bytes
    sealed_with: str
    hosts: list[str] | None
    by: str


class PutSecret(msgspec.Struct, frozen=True):
    """A secret as it was stored, and whether it is new."""

    view: SecretView
    new: bool


class SecretStore(Protocol):
    async def put(self, secret: NewSecret, audit: AuditEntry, check: Check) -> PutSecret:
        """Store the secret. Raises `ProblemError` 409 beyond the tenant's number of secrets, and what `check`
        raises of the secret that stands.
        """
        ...

    async def one(self, tenant: str, name: str) -> SecretView | None: ...

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[SecretView]: ...
    async def remove(self, name: str, audit: AuditEntry, check: Check) -> bool: ...


class Secrets:
    """The use cases. `if_match` is the header of a request; None changes a secret whatever its state."""

    def __init__(self, store: SecretStore, keys: SealingKeys) -> None:
        self._store = store
        self._keys = keys

    async def put(self, who: Requester, name: str, body: bytes, if_match: str | None = None) -> PutSecret:
        """Store a secret: any JSON, or `{"value": …, "hosts": […], "short": true}`. Raises `ProblemError`
        400, 409, 412, 413 and 503.
        """
        key = self._keys.current()
        if not _NAME.fullmatch(name):
            detail = f"{name!r} cannot name a secret: 1 to 128 letters, digits and inner _ . -"
            raise ProblemError("invalid_body", detail, status=400)
        if len(body) > VALUE_MAX:
            raise ProblemError("payload_too_large", f"a secret has at most {VALUE_MAX} bytes", status=413)
        value, hosts, short = _read(check_json(body))
        check_length(value, short=short)
        sealed = key.seal(_encode(value), tenant=who.tenant, name=name)
        audit = entry(who, AuditAction.SECRET_PUT, f"secret:{name}", hosts=hosts)
        new = NewSecret(who.tenant, name, sealed, key.id, hosts, who.actor)
        return await self._store.put(new, audit, _check(name, if_match))

    async def one(self, tenant: str, name: str) -> SecretView:
        """The secret without its value. Raises `ProblemError` 404."""
        found = await self._store.one(tenant, name)
        if found is None:
            raise _no_such_secret(name)
        return found

    async def page(self, tenant: str, after: str | None, limit: int) -> SecretPage:
        """By name. `next` is the name to continue from."""
        rows = await self._store.page(tenant, after, limit + 1)
        return SecretPage(*one_page(rows, limit, lambda row: row.name))

    async def remove(self, who: Requester, name: str, if_match: str | None = None) -> None:
        """Raises `ProblemError` 404 and 412."""
        audit = entry(who, AuditAction.SECRET_REMOVE, f"secret:{name}")
        if not await self._store.remove(name, audit, _check(name, if_match)):
            raise _no_such_secret(name)


def _check(name: str, if_match: str | None) -> Check:
    return match_check(if_match, f"secret {name!r}")


def _no_such_secret(name: str) -> ProblemError:
    return ProblemError("secret_not_found", f"there is no secret {name[:128]!r}", status=404)


def _read(given: Any) -> tuple[Any, list[str] | None, bool]:
    """The value, the hosts that it may be sent to, and whether it may be short. An object that has only
    `value` and perhaps `hosts` and `short` is read as these settings.
    """
    if given is None:
        raise ProblemError("invalid_body", "a secret needs a value; to remove it, DELETE it", status=400)
    whole = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if "value" not in whole or whole.keys() - {"value", "hosts", "short"}:
        return cast("Any", given), None, False
    short = whole.get("short", False)
    if not isinstance(short, bool):
        raise ProblemError("invalid_body", "`short` must be true or false", status=400)
    hosts = None if whole.get("hosts") is None else _hosts(whole["hosts"])
    return whole["value"], hosts, short


def check_length(value: Any, *, short: bool) -> None:
    """Refuse a value that is too short to be masked reliably, unless `short` is declared."""
    texts = list(_texts(value, ""))
    if len(texts) > TEXTS_MAX:
        raise ProblemError("invalid_body", f"a secret has at most {TEXTS_MAX} texts and numbers", status=400)
    if short:
        return
    errors = [
        FieldError(pointer, f"at least {SHORT} characters, so that it can be masked in responses")
        for pointer, length in texts
        if length < SHORT
    ]
    if errors:
        detail = f"less than {SHORT} characters are masked as whole words only; `short: true` accepts that"
        raise ProblemError("invalid_body", detail, status=400, errors=errors)


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, int]]:
    """The paths and lengths of the texts and numbers in a value; owner names are no secrets."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            if name.lower() not in _NAMES or isinstance(inner, dict | list):
                yield from _texts(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from _texts(inner, f"{pointer}/{index}")
    elif isinstance(value, str):
        yield pointer, len(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield pointer, len(_encode(value))


def _hosts(given: Any) -> list[str]:
    hosts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [None]
    errors = [
        FieldError(f"/hosts/{index}", "a host such as api.example.com, *.example.com or api.example.com:8443")
        for index, host in enumerate(hosts)
        if not isinstance(host, str) or not _HOST.fullmatch(host.lower())
    ]
    if errors:
        raise ProblemError("invalid_body", "`hosts` must be a list of hosts", status=400, errors=errors)
    return [str(host).lower() for host in hosts]
