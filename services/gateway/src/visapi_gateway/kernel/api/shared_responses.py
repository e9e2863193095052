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
        having = [operation["responses"] for operation in operations if status in operation["responses"]]
        text, count = Counter(_text(responses[status]) for responses in having).most_common(1)[0]
        if count < SHARED_MIN:
            continue
        name = HTTPStatus(int(status)).phrase.title().replace(" ", "").replace("-", "")
        for responses in having:
            if _text(responses[status]) == text:
                shared[name] = responses[status]
                responses[status] = {"$ref": _REF.format(name=name)}
    return shared


def _text(response: Any) -> str:
    return json.dumps(response, sort_keys=True)
