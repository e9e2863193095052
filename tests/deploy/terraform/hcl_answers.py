"""Runs in the environment of python-hcl2: texts of HCL as a list on stdin, the same as plain data on stdout.

Literals stand without their quotes, expressions as `${…}`; comments and marks of the parser are left out.
"""

import json
import sys
from typing import Any

import hcl2  # pyright: ignore[reportMissingImports]

MARKS = {"__is_block__", "__comments__", "__inline_comments__"}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items() if key not in MARKS}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"')
    return value


json.dump([plain(hcl2.loads(text)) for text in json.load(sys.stdin)], sys.stdout)
