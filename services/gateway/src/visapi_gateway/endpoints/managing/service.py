"""Make, change, rotate and remove endpoints. Their secrets are made here, sealed, and shown once."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.endpoints import (
    EndpointFilter,
    EndpointPage,
    EndpointView,
    MadeEndpoint,
    NewEndpoint,
    RotateEndpoint,
    UpdateEndpoint,
)
from visapi_common.contracts.problems import FieldError
from visapi_common.core.egress_policy import EgressRefused, parse_url
from visapi_common.core.endpoint_types import Wants, mistake_in_type, wants_of
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_common.core.sealing import name_of_endpoint_secret
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.etags import Check, match_check
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.sealing import SealingKeys

SECRETS_MAX = 4
"""Valid secrets of one endpoint: each signs every webhook."""
_SECRET_BYTES = 32
RUNS_READ = "runs:read"


class EndpointRow(msgspec.Struct, frozen=True):
    """An endpoint to store."""

    tenant: str
    id: UUID
    name: str
    url: str
    types: list[str]
    wants: int
    workflows: list[str] | None
    sources: list[str] | None
    ordered: bool
    by: str


class EndpointSecretRow(msgspec.Struct, frozen=True):
    """A sealed secret of an endpoint."""

    tenant: str
    endpoint: UUID
    id: UUID
    sealed: bytes
    sealed_with: str
    by: str


class EndpointChange(msgspec.Struct, frozen=True):
    """What to change of an endpoint; None leaves a value as it is. `filter` is replaced as a whole."""

    url: str | None = None
    types: list[str] | None = None
    wants: int | None = None
    filter: EndpointFilter | None = None
    ordered: bool | None = None
    enabled: bool | None = None


class EndpointStore(Protocol):
    async def put(
        self, endpoint: EndpointRow, secret: EndpointSecretRow, audit: AuditEntry, claim: Claim | None
    ) -> bool:
        """Store an endpoint with its secret; False where another one has the name."""
        ...

    async def one(self, tenant: str, endpoint: UUID) -> EndpointView | None: ...
    async def page(
        self, tenant: str, name: str | None, after: str | None, limit: int
    ) -> Sequence[EndpointView]: ...
    async def update(self, endpoint: UUID, change: EndpointChange, audit: AuditEntry, check: Check) -> bool:
        """Change an endpoint; False where there is no such endpoint. Raises what `check` raises of it."""
        ...

    async def rotate(
        self, secret: EndpointSecretRow, overlap_s: int, audit: AuditEntry, check: Check, claim: Claim | None
    ) -> bool:
        """Store a secret, and let earlier ones end. False where there is no such endpoint. Raises
        `ProblemError` 409 where too many stay valid, and what `check` raises.
        """
        ...

    async def remove(self, endpoint: UUID, audit: AuditEntry, check: Check) -> bool: ...


class Endpoints:
    """The endpoints of a tenant. `random` makes secrets. `if_match` is the header of a request; None changes
    an endpoint whatever its state.
    """

    def __init__(
        self,
        store: EndpointStore,
        keys: SealingKeys,
        *,
        random: Callable[[int], bytes],
        ids: Ids,
    ) -> None:
        self._store = store
        self._keys = keys
        self._random = random
        self._ids = ids

    async def make(self, who: Requester, wanted: NewEndpoint, claim: Claim | None) -> MadeEndpoint:
        """Raises `ProblemError` 400, 403 and 409."""
        check(wanted.url, wanted.types)
        check_reader(who, wanted.types)
        endpoint = self._ids.uuid7()
        text, secret = self._secret(who, endpoint)
        only = wanted.filter
        row = EndpointRow(
            tenant=who.tenant,
            id=endpoint,
            name=wanted.name,
            url=wanted.url,
            types=wanted.types,
            wants=wants_of(wanted.types),
            workflows=only.workflows,
            sources=only.sources,
            ordered=wanted.ordered,
            by=who.actor,
        )
        audit = entry(
            who, AuditAction.ENDPOINT_CREATE, f"endpoint:{endpoint}", name=wanted.name, types=wanted.types
        )
        if not await self._store.put(row, secret, audit, claim):
            detail = f"there is an endpoint {wanted.name!r} already; choose another name, or change that one"
            raise ProblemError("endpoint_exists", detail, status=409)
        return _made(await self.one(who.tenant, endpoint), text)

    async def made_before(self, tenant: str, endpoint: UUID) -> MadeEndpoint:
        """An endpoint that an earlier request made or gave a secret, without the secret. Raises
        `ProblemError` 404.
        """
        return _made(await self.one(tenant, endpoint), None)

    async def one(self, tenant: str, endpoint: UUID) -> EndpointView:
        """Raises `ProblemError` 404."""
        found = await self._store.one(tenant, endpoint)
        if found is None:
            raise no_such_endpoint(endpoint)
        return found

    async def page(self, tenant: str, name: str | None, after: str | None, limit: int) -> EndpointPage:
        """By name. `next` is the name to continue from."""
        rows = await self._store.page(tenant, name, after, limit + 1)
        return EndpointPage(*one_page(rows, limit, lambda row: row.name))

    async def update(
        self, who: Requester, endpoint: UUID, wanted: UpdateEndpoint, if_match: str | None = None
    ) -> EndpointView:
        """Raises `ProblemError` 400, 403, 404 and 412."""
        given: dict[str, Any] = {
            name: value
            for name, value in msgspec.structs.asdict(wanted).items()
            if value is not msgspec.UNSET
        }
        check(given.get("url"), given.get("types"))
        if given.keys() & {"url", "types", "filter"}:
            check_reader(who, given.get("types") or (await self.one(who.tenant, endpoint)).types)
        wants = wants_of(given["types"]) if "types" in given else None
        change = EndpointChange(**given, wants=wants)
        shown = {name: msgspec.to_builtins(value) for name, value in given.items()}
        audit = entry(who, AuditAction.ENDPOINT_UPDATE, f"endpoint:{endpoint}", **shown)
        if not await self._store.update(endpoint, change, audit, _check(endpoint, if_match)):
            raise no_such_endpoint(endpoint)
        return await self.one(who.tenant, endpoint)

    async def rotate(
        self,
        who: Requester,
        endpoint: UUID,
        wanted: RotateEndpoint,
        if_match: str | None,
        claim: Claim | None,
    ) -> MadeEndpoint:
        """Raises `ProblemError` 404, 409 and 412."""
        text, secret = self._secret(who, endpoint)
        audit = entry(
            who,
            AuditAction.ENDPOINT_ROTATE,
            f"endpoint:{endpoint}",
            secret=str(secret.id),
            overlap_s=wanted.overlap_s,
        )
        check = _check(endpoint, if_match)
        if not await self._store.rotate(secret, wanted.overlap_s, audit, check, claim):
            raise no_such_endpoint(endpoint)
        return _made(await self.one(who.tenant, endpoint), text)

    async def remove(self, who: Requester, endpoint: UUID, if_match: str | None = None) -> None:
        """Raises `ProblemError` 404 and 412."""
        audit = entry(who, AuditAction.ENDPOINT_REMOVE, f"endpoint:{endpoint}")
        if not await self._store.remove(endpoint, audit, _check(endpoint, if_match)):
            raise no_such_endpoint(endpoint)

    def _secret(self, who: Requester, endpoint: UUID) -> tuple[str, EndpointSecretRow]:
        """A new secret, and how it is stored."""
        key, secret = self._keys.current(), self._ids.uuid7()
        text = f"whsec_{b64encode(self._random(_SECRET_BYTES)).decode()}"
        name = name_of_endpoint_secret(endpoint, secret)
        sealed = key.seal(text.encode(), tenant=who.tenant, name=name)
        return text, EndpointSecretRow(who.tenant, endpoint, secret, sealed, key.id, who.actor)


def check(url: str | None, types: Sequence[str] | None) -> None:
    """Raises `ProblemError` 400 for a URL that can never be sent to, and for types that nothing can have.
    Where a URL leads is looked at in each attempt.
    """
    mistakes: list[FieldError] = []
    try:
        if url is not None:
            parse_url(url)
    except EgressRefused as refused:
        mistakes.append(FieldError("/url", str(refused)))
    for place, pattern in enumerate(types or ()):
        mistake = mistake_in_type(pattern)
        if mistake is not None:
            mistakes.append(FieldError(f"/types/{place}", mistake))
    if mistakes:
        detail = "; ".join(f"{one.pointer}: {one.detail}" for one in mistakes[:3])
        raise ProblemError("invalid_body", detail, status=400, errors=mistakes)


def check_reader(who: Requester, types: Sequence[str]) -> None:
    """An endpoint is sent outputs of runs. Raises `ProblemError` 403 for a key that may not read them."""
    if wants_of(types) & (Wants.RUNS | Wants.TASKS) and not who.may(RUNS_READ):
        detail = (
            f"webhooks about runs and tasks carry outputs of runs: this needs the scope {RUNS_READ!r} too"
        )
        raise ProblemError("forbidden", detail, status=403)


def _made(view: EndpointView, secret: str | None) -> MadeEndpoint:
    return MadeEndpoint(**msgspec.structs.asdict(view), secret=secret)


def _check(endpoint: UUID, if_match: str | None) -> Check:
    return match_check(if_match, f"endpoint {endpoint}")


def no_such_endpoint(endpoint: UUID) -> ProblemError:
    detail = f"there is no endpoint {endpoint}; list endpoints with GET /v1/endpoints"
    return ProblemError("endpoint_not_found", detail, status=404)
