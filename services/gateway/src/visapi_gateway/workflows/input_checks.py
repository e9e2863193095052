"""Validate inputs against schemas: in the event loop where the cost is bounded, else as a bounded job."""

from typing import Protocol

from visapi_common.contracts.problems import FieldError
from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError
from visapi_engine.model.program import Validated
from visapi_gateway.kernel.api.operation import ReadJson
from visapi_gateway.workflows.definitions import Definition
from visapi_gateway.workflows.rules.input_schema import InputCheck, InputSchema


class Jobs(Protocol):
    async def check_input(self, tenant: str, schema: bytes, raw: bytes) -> InputCheck: ...


class InputChecks:
    """Checks inputs, and the schemas of definitions."""

    def __init__(self, jobs: Jobs, read_json: ReadJson) -> None:
        self._jobs = jobs
        self._read_json = read_json

    async def input(self, tenant: str, definition: Definition, body: bytes) -> None:
        """Check an input; an empty body means `null`. Raises `ProblemError` 400 for a body that is not JSON,
        and 422 with the mistakes of an input that does not match the workflow's schema.
        """
        value = await self._read_json(tenant, body) if body else None
        schema = definition.input_schema
        if schema is None:
            return
        raw = body or b"null"
        check = schema.check(raw, value)
        if check is None:
            check = await self._check_in_process(tenant, definition, raw, schema)
        if check.unusable:
            raise _refused(definition, f"its schema cannot be used: {check.unusable}", [])
        if check.mistakes:
            raise _refused(definition, "see errors", check.mistakes)

    async def schema(self, tenant: str, stated: Validated) -> None:
        """Raises `ProblemError` 422 for a schema that cannot be used."""
        schema = InputSchema(stated.schema)
        if schema.validator is not None:
            return
        try:
            check = await self._jobs.check_input(tenant, schema.encoded, b"null")
        except BoundExceeded as wrong:
            check = InputCheck(unusable=str(wrong))
        if check.unusable:
            mistake = FieldError(pointer=stated.pointer, detail=check.unusable)
            detail = "the input schema is not a valid JSON Schema (2020-12); see errors"
            raise ProblemError("definition_invalid", detail, status=422, errors=[mistake])

    async def _check_in_process(
        self, tenant: str, definition: Definition, raw: bytes, schema: InputSchema
    ) -> InputCheck:
        try:
            return await self._jobs.check_input(tenant, schema.encoded, raw)
        except BoundExceeded as over:
            detail = f"the check against the schema was ended: {over.detail}"
            raise _refused(definition, detail, []) from None


def _refused(definition: Definition, why: str, errors: list[FieldError]) -> ProblemError:
    where = f"{definition.namespace}/{definition.name} {definition.version}"
    detail = f"the input does not match the input schema of {where}; {why}"
    return ProblemError("input_invalid", detail, status=422, errors=errors or None)
