"""Responses that most operations have alike, described once, so that an operation's own stand out."""

import json
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

SHARED_MIN = 10
"""The number of operations that have a response alike before the response is described once."""
_REF = "#/components/responses/{name}"


def share(paths: Mapping[str, Mapping[str, dict[str, Any]]]) -> dict[str, Any]:
    """The responses of errors that most operations with the status have alike, by name. Operations in `paths`
    refer to these responses from now on.
    """
    operations = [operation for methods in paths.values() for operation in methods.values()]
    shared: dict[str, Any] = {}
    for status in sorted({status for operation in operations for status in operation["responses"]}):
        if status < "400":
            continue
        having = [operation for operation in operations if status in operation["responses"]]
        alike = Counter(_text(operation["responses"][status]) for operation in having)
        text, count = alike.most_common(1)[0]
        if count < SHARED_MIN:
            continue
        name = HTTPStatus(int(status)).phrase.title().replace(" ", "").replace("-", "")
        shared[name] = json.loads(text)
        for operation in having:
            if _text(operation["responses"][status]) == text:
                operation["responses"][status] = {"$ref": _REF.format(name=name)}
    return shared


def _text(response: Any) -> str:
    return json.dumps(response, sort_keys=True)
