"""Deployed definitions in memory. A version never changes, so each is read once.

On a replica that did not deploy the newest version, the highest version may be out of date for
`HIGHEST_TTL_S`, and for as long again while PostgreSQL does not answer.
"""

from collections import OrderedDict
from typing import Any, Protocol

import msgspec

from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.errors import ProblemError
from visapi_engine.model.program_face import decode_face
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.workflows.rules.input_schema import InputSchema

CACHE_LIMIT = 1000
HIGHEST_TTL_S = 1.0


class Definition(msgspec.Struct, frozen=True):
    """A version, as starting a run needs it. `program` is the hash in bytes."""

    namespace: str
    name: str
    version: str
    program: bytes
    input_schema: InputSchema | None = None


class DefinitionSource(Protocol):
    async def program_of(self, name: WorkflowName, version: str) -> tuple[bytes, bytes] | None:
        """The hash and body of a version's program."""
        ...

    async def highest(self, name: WorkflowName) -> str | None: ...


class Definitions:
    """See the module's docstring."""

    def __init__(self, source: DefinitionSource, clock: MonotonicClock) -> None:
        self._source = source
        self._clock = clock
        self._known: OrderedDict[tuple[WorkflowName, str], Definition] = OrderedDict()
        self._highest: OrderedDict[WorkflowName, tuple[str, float]] = OrderedDict()

    async def find(self, name: WorkflowName, version: str | None) -> Definition:
        """The version, or the highest one. Raises `ProblemError` 404."""
        if version is None:
            version = await self._highest_version(name)
        known = self._known.get((name, version))
        if known is not None:
            return known
        found = await self._source.program_of(name, version)
        if found is None:
            raise not_found(name, version)
        definition = _build(name, version, *found)
        _keep(self._known, (name, version), definition)
        return definition

    def forget_highest(self, name: WorkflowName) -> None:
        """Forget the highest version, because a version was deployed here."""
        self._highest.pop(name, None)

    async def _highest_version(self, name: WorkflowName) -> str:
        now = self._clock.monotonic()
        known = self._highest.get(name)
        if known is not None:
            if now < known[1]:
                return known[0]
            # One request refreshes the entry; concurrent requests use the known one.
            self._highest[name] = (known[0], now + HIGHEST_TTL_S)
        version = await self._source.highest(name)
        if version is None:
            raise not_found(name, None)
        _keep(self._highest, name, (version, now + HIGHEST_TTL_S))
        return version


def not_found(name: WorkflowName, version: str | None) -> ProblemError:
    which = f" in version {version}" if version else ""
    detail = f"no workflow {name[1]}/{name[2]}{which} is deployed; deploy it with POST /v1/workflows"
    return ProblemError("workflow_not_found", detail, status=404)


def _build(name: WorkflowName, version: str, program: bytes, body: bytes) -> Definition:
    schema = decode_face(body).input_schema
    return Definition(
        name[1], name[2], version, program, None if schema is None else InputSchema(schema.schema)
    )


def _keep(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    if len(cache) > CACHE_LIMIT:
        cache.popitem(last=False)
