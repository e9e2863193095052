"""Validate an input against a workflow's schema, and describe the mistakes. Pure."""

from contextlib import suppress
from typing import Any

import jsonschema_rs
import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_gateway.kernel.json_input import decode_checked
from visapi_gateway.workflows.rules.schema_cost import ERROR_STEPS, VALID_STEPS, weight_of

ERRORS_LIMIT = 50
LISTED_BYTES_MAX = 64 * 1024
"""For a larger input only the first mistake is reported: finding all takes too long."""

_encode = msgspec.msgpack.Encoder().encode


class InputToCheck(msgspec.Struct, frozen=True):
    """An input as JSON, and its schema as msgpack."""

    schema: msgspec.Raw
    raw: bytes


_read_input_to_check = msgspec.msgpack.Decoder(InputToCheck).decode


class InputCheck(msgspec.Struct, frozen=True):
    """The mistakes of an input; `unusable` says why the schema cannot be used."""

    mistakes: list[FieldError] = []
    unusable: str = ""


class InputSchema:
    """A schema, with its validator where its cost is bounded (`workflows.rules.schema_cost`)."""

    __slots__ = ("encoded", "validator", "weight")

    def __init__(self, schema: Any) -> None:
        self.encoded = msgspec.msgpack.encode(schema)
        self.validator: jsonschema_rs.Draft202012Validator | None = None
        self.weight = weight_of(schema)
        if self.weight is not None:
            # For a schema that cannot be compiled, the job reports why.
            with suppress(SchemaUnusable):
                self.validator = build_validator(schema)

    def check(self, raw: bytes, value: Any) -> InputCheck | None:
        """The check, where the event loop can afford it; else None."""
        if self.validator is None or self.weight is None or self.weight * len(raw) > VALID_STEPS:
            return None
        if self.validator.is_valid(value):
            return InputCheck()
        if self.weight * len(raw) > ERROR_STEPS:
            return None
        return InputCheck(mistakes_of(self.validator, value, len(raw)))


class SchemaUnusable(ValueError):
    """The schema cannot be compiled; the text says why."""


def build_validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """Raises `SchemaUnusable`."""
    try:
        # `offline` keeps a schema from opening files or URLs; patterns take linear time.
        return jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as wrong:
        raise SchemaUnusable(str(wrong).splitlines()[0][:500]) from wrong


def check_input(payload: bytes) -> bytes:
    """A job: takes a `InputToCheck` and returns its `InputCheck`."""
    held = _read_input_to_check(payload)
    try:
        validator = build_validator(msgspec.msgpack.decode(held.schema))
    except SchemaUnusable as wrong:
        return _encode(InputCheck(unusable=str(wrong)))
    return _encode(InputCheck(mistakes_of(validator, decode_checked(held.raw), len(held.raw))))


def mistakes_of(validator: jsonschema_rs.Draft202012Validator, value: Any, size: int) -> list[FieldError]:
    """The mistakes of an input of `size` bytes; empty when it is valid."""
    if validator.is_valid(value):
        return []
    if size > LISTED_BYTES_MAX:
        try:
            validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [_field_error(error)]
    errors: list[FieldError] = []
    for error in validator.iter_errors(value):
        errors.append(_field_error(error))
        if len(errors) == ERRORS_LIMIT:
            break
    return errors


def _field_error(error: jsonschema_rs.ValidationError) -> FieldError:
    return FieldError(pointer=_pointer(error.instance_path), detail=error.message[:500])


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
