"""An operation that is to end says so in every answer and in the description."""

from datetime import date
from typing import Any

import pytest

from visapi_gateway.kernel.api.deprecation import Deprecation
from visapi_gateway.kernel.api.docs_page import build_docs
from visapi_gateway.kernel.api.openapi import build_openapi
from visapi_gateway.kernel.api.operation import Operation, ResponseSpec

END = Deprecation(
    date(2026, 11, 30), "Use `GET /v2/x`.", "https://docs.example.com/v2", sunset=date(2027, 5, 31)
)


def operation(end: Deprecation | None) -> Operation:
    answers = {200: ResponseSpec("It.", dict[str, Any])}
    return Operation("GET", "/v1/x", "readX", "Read", answers, description="Reads.", deprecated=end)


def test_the_headers_have_the_forms_of_their_standards() -> None:
    assert dict(END.headers()) == {
        b"deprecation": b"@1795996800",
        b"sunset": b"Mon, 31 May 2027 00:00:00 GMT",
        b"link": b'<https://docs.example.com/v2>; rel="deprecation"; type="text/html"',
    }


def test_an_operation_without_a_date_to_end_has_no_sunset() -> None:
    assert b"sunset" not in dict(Deprecation(date(2026, 1, 1), "Use y.", "/docs").headers())


def test_an_operation_does_not_end_before_it_is_deprecated() -> None:
    with pytest.raises(ValueError, match="before"):
        Deprecation(date(2026, 1, 2), "Use y.", "/docs", sunset=date(2026, 1, 1))


def test_the_description_marks_it() -> None:
    shown = build_openapi([operation(END)], "1")["paths"]["/v1/x"]["get"]
    assert shown["deprecated"] is True
    assert shown["description"] == (
        "Deprecated since 2026-11-30. It may end on 2027-05-31. Use `GET /v2/x`. Reads."
    )
    for status, response in shown["responses"].items():
        assert {"Deprecation", "Sunset", "Link"} <= set(response["headers"]), status
    assert "Deprecated since 2026-11-30" in build_docs([operation(END)], "1").decode()


def test_other_operations_are_not_marked() -> None:
    shown = build_openapi([operation(None)], "1")["paths"]["/v1/x"]["get"]
    assert "deprecated" not in shown
    assert all("Sunset" not in response["headers"] for response in shown["responses"].values())
