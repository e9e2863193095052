"""OpenAPI documents from bytes, within the limits that definitions have."""

from collections.abc import Mapping
from typing import Any, cast

from visapi_common.core.errors import ProblemError
from visapi_engine.definition.findings import DefinitionInvalid
from visapi_engine.definition.json_source import read_json
from visapi_engine.definition.unreadable import Unreadable
from visapi_engine.definition.yaml_source import read_yaml

DEPTH_MAX = 64
VALUES_MAX = 500_000


class TextDocuments:
    """See `app.http_functions.Documents`."""

    def read(self, body: bytes) -> Mapping[str, Any]:
        try:
            text = body.decode("utf-8-sig")
            if text.lstrip().startswith("{"):
                value = read_json(text)
            else:
                value = read_yaml(text, depth_max=DEPTH_MAX, values_max=VALUES_MAX)
        except (UnicodeDecodeError, Unreadable, DefinitionInvalid) as wrong:
            raise ProblemError("invalid_input", f"neither JSON nor YAML: {wrong}") from wrong
        if not isinstance(value, dict):
            raise ProblemError("invalid_input", "an OpenAPI document must be an object")
        return cast("dict[str, Any]", value)
