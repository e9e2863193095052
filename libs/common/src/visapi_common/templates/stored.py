"""Templates of tenants for built-in workers: asks the orchestrator which version a name means, and reads the
contents of the version from the artifact store.

A name is asked for again after 5 seconds. Contents never change, so they are kept by their hash, within a
number of bytes of memory; tasks that need the same contents at the same time read them once. Test data is
for previews, and is not kept.
"""

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.contracts.templates import (
    ResolvedTemplate,
    ResolveTemplate,
    TemplateContents,
    TemplateKind,
    TemplateParts,
    UsedTemplate,
)
from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault, UnknownFault
from visapi_common.core.template_names import fitting_locale, read_reference
from visapi_common.templates.manifests import read_contents

_TIMEOUT_S = 3.0
_NAMES_S = 5.0
_NAMES_MAX = 4096
_BYTES_MAX = 32 * 1024 * 1024
_OBJECTS_BYTES = 1024
"""Bytes of memory that the objects around a template, a locale or an asset take at least."""

_read = Reader(ResolvedTemplate, newest=NEWEST.messages)
_Name = tuple[str, str, int | None]
_Key = tuple[str, str]
"""A tenant and the hash of a manifest."""


class Answer(Protocol):
    @property
    def data(self) -> bytes: ...


class Requests(Protocol):
    """The requests to NATS that templates need."""

    async def request(self, subject: str, body: bytes, timeout_s: float) -> Answer: ...


class Contents(Protocol):
    """The artifact store."""

    async def get(self, tenant: str, digest: str) -> bytes: ...


class Asset(msgspec.Struct, frozen=True):
    """A file of a template."""

    media_type: str
    sha256: str
    data: bytes


class StoredTemplate(msgspec.Struct, frozen=True):
    """One locale of one version."""

    used: UsedTemplate
    parts: TemplateParts
    assets: Mapping[str, Asset]


class _Loaded(msgspec.Struct, frozen=True):
    contents: TemplateContents
    assets: dict[str, Asset]
    size: int
    """Bytes of memory."""


class StoredTemplates:
    """See the module's docstring."""

    def __init__(self, bus: Requests, contents: Contents, monotonic: Callable[[], float]) -> None:
        self._bus = bus
        self._contents = contents
        self._monotonic = monotonic
        self._names: OrderedDict[_Name, tuple[float, ResolvedTemplate]] = OrderedDict()
        self._loaded: OrderedDict[_Key, _Loaded] = OrderedDict()
        self._loading: dict[_Key, asyncio.Task[_Loaded]] = {}
        self._bytes = 0

    async def open(
        self, task: TaskMessage, reference: str, locale: str | None, kind: TemplateKind
    ) -> StoredTemplate:
        """The template that a task names as `welcome` or `welcome@3`.

        Raises `ProblemError` 422 where the tenant has none, `TransientFault` while no orchestrator answers or
        the store fails, and `PermanentFault` where its contents are lost.
        """
        read = read_reference(reference)
        if read is None:
            raise _unknown(f"{reference[:100]!r} cannot name a template; write welcome or welcome@3")
        name, version = read
        found = await self._resolved(task, name, version)
        if found.version is None or found.sha256 is None:
            raise _unknown(_why(name, version, found.latest))
        loaded = await self._load(task.tenant, found.sha256)
        contents = loaded.contents
        if contents.kind != kind:
            raise _unknown(f"the template {name!r} is of kind {contents.kind}, and not {kind}")
        chosen = fitting_locale(contents.locales, contents.default_locale, locale)
        used = UsedTemplate(name, found.version, chosen)
        return StoredTemplate(used, contents.locales[chosen], loaded.assets)

    async def _resolved(self, task: TaskMessage, name: str, version: int | None) -> ResolvedTemplate:
        key = (task.tenant, name, version)
        known = self._names.get(key)
        if known is not None and self._monotonic() < known[0]:
            return known[1]
        asked_at = self._monotonic()
        found = await self._ask(task, name, version)
        if found.version is None:
            return found
        self._names[key] = asked_at + _NAMES_S, found
        self._names.move_to_end(key)
        if len(self._names) > _NAMES_MAX:
            self._names.popitem(last=False)
        return found

    async def _ask(self, task: TaskMessage, name: str, version: int | None) -> ResolvedTemplate:
        wanted = ResolveTemplate(task.run, task.path, task.attempt, task.token, name, version)
        try:
            answer = await self._bus.request(
                subjects.CONTROL_TEMPLATES, msgspec.json.encode(wanted), _TIMEOUT_S
            )
        except UnknownFault as silent:
            raise TransientFault(f"no orchestrator resolved the template {name!r}: {silent}") from silent
        found = _read(answer.data)
        if isinstance(found, Unreadable):
            raise TransientFault(f"the answer about the template {name!r} cannot be read: {found.reason}")
        return found

    async def _load(self, tenant: str, sha256: str) -> _Loaded:
        key = (tenant, sha256)
        loaded = self._loaded.get(key)
        if loaded is not None:
            self._loaded.move_to_end(key)
            return loaded
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._read(key))
            loading.add_done_callback(lambda done: self._forget(key, done))
        # The reading goes on for the others when one of the tasks that wait for it is cancelled.
        return await asyncio.shield(loading)

    async def _read(self, key: _Key) -> _Loaded:
        tenant, sha256 = key
        contents = read_contents(await self._bytes_of(tenant, sha256))
        assets = {
            name: Asset(asset.media_type, asset.sha256, await self._bytes_of(tenant, asset.sha256))
            for name, asset in contents.assets.items()
        }
        loaded = _Loaded(contents, assets, _size_of(contents, assets))
        self._keep(key, loaded)
        return loaded

    def _forget(self, key: _Key, done: asyncio.Task[_Loaded]) -> None:
        """A failure concerns the tasks that waited; the next task reads again."""
        del self._loading[key]
        if not done.cancelled():
            done.exception()  # counts as retrieved, where nobody waits any more

    def _keep(self, key: _Key, loaded: _Loaded) -> None:
        self._loaded[key] = loaded
        self._bytes += loaded.size
        while self._bytes > _BYTES_MAX:
            _, oldest = self._loaded.popitem(last=False)
            self._bytes -= oldest.size

    async def _bytes_of(self, tenant: str, sha256: str) -> bytes:
        try:
            return await self._contents.get(tenant, sha256)
        except ProblemError as gone:
            raise PermanentFault(
                f"the contents of a template are not in the artifact store: {gone.detail}; store it again"
            ) from gone


def _size_of(contents: TemplateContents, assets: Mapping[str, Asset]) -> int:
    objects = 1 + len(contents.locales) + len(assets)
    sources = sum(
        sys.getsizeof(source)
        for parts in contents.locales.values()
        for source in (parts.html, parts.subject, parts.text)
    )
    return objects * _OBJECTS_BYTES + sources + sum(len(asset.data) for asset in assets.values())


def _unknown(detail: str) -> ProblemError:
    return ProblemError("template_unknown", f"template: {detail}", status=422)


def _why(name: str, version: int | None, latest: int | None) -> str:
    if latest is None:
        return f"there is no template {name!r}; store it with PUT /v1/templates/{name}"
    return f"the template {name!r} has no version {version}; the newest is {latest}"
