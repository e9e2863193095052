"""Validators for the JSON Schemas of definitions, safe for schemas of strangers.

No URL is fetched, and patterns run on an engine with linear time (no look-around).
"""

from typing import Any, NoReturn

import jsonschema_rs

_META = "https://json-schema.org/draft/2020-12/schema"


class SchemaInvalid(Exception):
    """The schema is invalid; `mistakes` are pairs of a path into the schema and a text."""

    def __init__(self, mistakes: list[tuple[list[str | int], str]]) -> None:
        super().__init__("; ".join(detail for _, detail in mistakes))
        self.mistakes = mistakes


def build_validator(schema: dict[str, Any] | bool) -> jsonschema_rs.Draft202012Validator:
    """A validator of a JSON Schema (2020-12). Raises `SchemaInvalid` with all mistakes of the schema."""
    meta = jsonschema_rs.Draft202012Validator({"$ref": _META})
    mistakes = [(list(error.instance_path), error.message) for error in meta.iter_errors(schema)]
    if mistakes:
        raise SchemaInvalid(mistakes)
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, retriever=_retrieve_nothing, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        path = list(error.instance_path) if isinstance(error, jsonschema_rs.ValidationError) else []
        message = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
        raise SchemaInvalid([(path, message)]) from error


def _retrieve_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} lies outside the definition; put the schema under $defs")
