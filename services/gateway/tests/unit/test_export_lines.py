"""Lines of a tenant's export."""

import base64
import json

import pytest

from visapi_gateway.tenants.sections import row_line

UNREADABLE = {
    "no UTF-8": b'{"name": "J\xf6rg"}',
    "no JSON": b"{",
    "deeper than a parser goes": b"[" * 5000 + b"]" * 5000,
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_bytes_that_are_no_readable_json_stand_in_base64(value: bytes) -> None:
    row = json.loads(row_line("dead_letters", {"id": "1", "body": value}))["row"]
    assert base64.b64decode(row["body"]["base64"]) == value


def test_bytes_that_are_json_stand_there_as_json_on_one_line() -> None:
    text = row_line("runs", {"at": ["1"], "input": b'{"name":\n "J\xc3\xb6rg"}'})
    assert text.count(b"\n") == 1
    assert json.loads(text) == {"section": "runs", "row": {"input": {"name": "Jörg"}}}
