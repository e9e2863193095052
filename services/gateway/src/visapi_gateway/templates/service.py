"""Store, read and retire templates. A version never changes; its contents lie in the artifact store."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.templates import (
    ASSET_BYTES_MAX,
    BUILTIN_TEMPLATES,
    Manifest,
    NewAsset,
    NewTemplate,
    TemplateDetail,
    TemplateKind,
    TemplatePage,
    TemplateView,
)
from visapi_common.core.errors import ProblemError
from visapi_common.core.template_names import read_reference
from visapi_common.templates.manifests import read_manifest
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.etags import check_match
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.templates import rules

NAME_MAX = 100


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version to store, without its number."""

    tenant: str
    name: str
    kind: TemplateKind
    sha256: str
    size: int
    default_locale: str
    locales: list[str]
    description: str
    created_by: str


Check = Callable[[TemplateView | None], None]
"""Refuses a change of a template. The store calls the check in the transaction of the change, which has
locked the template.
"""
AuditOf = Callable[[TemplateView], AuditEntry]


class TemplateRows(Protocol):
    async def refuse(self, new: NewVersion, check: Check) -> None:
        """Raise the `ProblemError` 409 or 412 with which `put` would refuse the version. Changes nothing."""
        ...

    async def put(self, new: NewVersion, check: Check, audit: AuditOf) -> tuple[TemplateView, bool]:
        """The version with these contents, and whether it is new. `check` sees the newest version."""
        ...

    async def one(self, tenant: str, name: str, version: int | None) -> TemplateView | None:
        """The newest version of a template that is not retired, or any version by its number."""
        ...

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[TemplateView]: ...
    async def versions(
        self, tenant: str, name: str, below: int | None, limit: int
    ) -> Sequence[TemplateView]: ...
    async def retire(self, name: str, check: Check, audit: AuditEntry) -> bool: ...


class Contents(Protocol):
    """Manifests and assets by their hash."""

    async def put(self, tenant: str, data: bytes) -> str:
        """Returns the SHA-256, in hexadecimal digits."""
        ...

    async def get(self, tenant: str, digest: str) -> bytes: ...


class Artifacts(Protocol):
    async def size(self, tenant: str, artifact_id: str) -> int | None: ...
    async def get(self, tenant: str, artifact_id: str) -> bytes: ...


FindFlaws = Callable[[str, dict[str, str]], Awaitable[list[FieldError]]]
"""The mistakes of a tenant's sources, which are given by JSON pointer."""


class Templates:
    """The use cases. `if_match` is the header of a request."""

    def __init__(
        self, rows: TemplateRows, contents: Contents, artifacts: Artifacts, find_flaws: FindFlaws
    ) -> None:
        self._rows = rows
        self._contents = contents
        self._artifacts = artifacts
        self._find_flaws = find_flaws

    async def put(
        self, who: Requester, name: str, wanted: NewTemplate, if_match: str | None
    ) -> tuple[TemplateView, bool]:
        """The version with these contents, and whether it is new. The contents are stored before the row is
        committed and after every check that can refuse the version, because contents without a row are
        neither counted nor deleted. Raises `ProblemError` 400, 409, 412, 413 and 422.
        """
        _check_name(name)
        wanted = await asyncio.to_thread(rules.with_encoded_data, wanted)
        flaws = rules.flaws_of(wanted) or await self._find_flaws(who.tenant, rules.sources_of(wanted))
        if flaws:
            raise _invalid(flaws)
        assets = await self._assets(who.tenant, wanted)
        manifest = await asyncio.to_thread(rules.manifest_of, wanted, assets)
        new = NewVersion(
            tenant=who.tenant,
            name=name,
            kind=wanted.kind,
            sha256=manifest.sha256,
            size=manifest.size,
            default_locale=wanted.default_locale,
            locales=sorted(wanted.locales),
            description=wanted.description,
            created_by=who.actor,
        )

        def audit(made: TemplateView) -> AuditEntry:
            target = f"template:{name}"
            return entry(who, AuditAction.TEMPLATE_PUT, target, version=made.version, sha256=made.sha256)

        check = _check_of(name, if_match)
        await self._rows.refuse(new, check)
        for content in (*assets.values(), manifest.raw):
            await self._contents.put(who.tenant, content)
        template, created = await self._rows.put(new, check, audit)
        return rules.with_links(template), created

    async def read(self, tenant: str, name: str, version: int | None = None) -> TemplateDetail:
        """The newest version, or one by its number, with its sources. Raises `ProblemError` 404."""
        template, manifest = await self.open(tenant, name, version)
        return rules.detail_of(rules.with_links(template), manifest)

    async def open(self, tenant: str, name: str, version: int | None) -> tuple[TemplateView, Manifest]:
        """A version and its manifest. Raises `ProblemError` 404."""
        template = await self._rows.one(tenant, name, version)
        if template is None:
            raise no_such_template(name, version)
        return template, read_manifest(await self._contents.get(tenant, template.sha256))

    async def page(self, tenant: str, after: str | None, limit: int) -> TemplatePage:
        """By name. `next` is the name to continue from."""
        rows = await self._rows.page(tenant, after, limit + 1)
        shown, more = one_page(rows, limit, lambda row: row.name)
        return TemplatePage([rules.with_links(row) for row in shown], more)

    async def versions(self, tenant: str, name: str, below: str | None, limit: int) -> TemplatePage:
        """Newest first; of retired templates too. Raises `ProblemError` 404."""
        rows = await self._rows.versions(tenant, name, None if below is None else int(below), limit + 1)
        if not rows and below is None:
            raise no_such_template(name, None)
        shown, more = one_page(rows, limit, lambda row: str(row.version))
        return TemplatePage([rules.with_links(row) for row in shown], more)

    async def retire(self, who: Requester, name: str, if_match: str | None) -> None:
        """The name is unknown from now on; versions that definitions pin can still be rendered. Raises
        `ProblemError` 404 and 412.
        """
        audit = entry(who, AuditAction.TEMPLATE_REMOVE, f"template:{name}")
        if not await self._rows.retire(name, _check_of(name, if_match), audit):
            raise no_such_template(name, None)

    async def _assets(self, tenant: str, wanted: NewTemplate) -> dict[str, bytes]:
        """The bytes of each asset, by name. Raises `ProblemError` 422."""
        found: dict[str, bytes] = {}
        left = rules.ASSETS_BYTES_MAX
        for name, asset in sorted(wanted.assets.items()):
            data = await self._bytes_of(tenant, name, asset)
            left -= len(data)
            if left < 0:
                detail = f"the assets together have at most {rules.ASSETS_BYTES_MAX} bytes"
                raise _invalid([FieldError("/assets", detail)])
            found[name] = data
        return found

    async def _bytes_of(self, tenant: str, name: str, asset: NewAsset) -> bytes:
        pointer, most = f"/assets/{name}", ASSET_BYTES_MAX
        if asset.base64 is not None:
            try:
                data = base64.b64decode(asset.base64, validate=True)
            except (binascii.Error, ValueError):
                raise _invalid([FieldError(f"{pointer}/base64", "not base64")]) from None
            size = len(data)
        else:
            assert asset.artifact is not None, "one of both is given"
            size = await self._artifacts.size(tenant, asset.artifact)
            if size is None:
                raise _invalid([FieldError(f"{pointer}/artifact", "there is no such artifact")])
            data = b"" if size > most else await self._artifacts.get(tenant, asset.artifact)
        if size > most:
            raise _invalid([FieldError(pointer, f"{size} bytes; an asset has at most {most}")])
        return data


def no_such_template(name: str, version: int | None) -> ProblemError:
    which = f"{name[:NAME_MAX]!r}" if version is None else f"{name[:NAME_MAX]!r} with a version {version}"
    return ProblemError("template_not_found", f"there is no template {which}", status=404)


def _check_name(name: str) -> None:
    reference = read_reference(name)
    if reference is None or reference[1] is not None or len(name) > NAME_MAX:
        detail = f"{name[:NAME_MAX]!r} cannot name a template: at most {NAME_MAX} of a-z, 0-9 and inner -"
        raise ProblemError("invalid_body", detail, status=400)
    if name in BUILTIN_TEMPLATES:
        detail = f"{name!r} is a built-in template of VisAPI; choose another name"
        raise ProblemError("template_exists", detail, status=409)


def _check_of(name: str, if_match: str | None) -> Check:
    def check(newest: TemplateView | None) -> None:
        if newest is not None:
            check_match(if_match, rules.tag_of(newest), f"the template {name}")
        elif if_match is not None:
            detail = f"there is no template {name!r}, so it has no ETag; leave out If-Match"
            raise ProblemError("precondition_failed", detail, status=412)

    return check


def _invalid(flaws: Sequence[FieldError]) -> ProblemError:
    shown = "; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in flaws[:3])
    return ProblemError("template_invalid", shown, status=422, errors=list(flaws[:100]))
