"""The page on which people decide: how it shows the data of a question."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.approvals import ApprovalView
from visapi_gateway.approvals.page import question_page

ID = UUID("01930000-0000-7000-8000-000000000001")


def page(data: Any) -> str:
    view = ApprovalView(
        id=ID,
        state="open",
        run=ID,
        workflow="demo/refund:1.0.0",
        task="ask",
        pointer="/do/0/ask",
        title="Go?",
        text="",
        data=msgspec.Raw(msgspec.json.encode(data)),
        choices=["approve"],
        approvers=[],
        asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=None,
        decision=None,
        comment=None,
        decided_by=None,
        closed_at=None,
        links={},
    )
    return question_page(view, "").decode()


def test_objects_are_tables_and_lists_of_plain_values_lines() -> None:
    shown = page({"customer": {"name": "Ada", "tags": ["new", 7, True]}, "note": None})
    assert (
        "<dt>customer</dt><dd><dl><dt>name</dt><dd>Ada</dd><dt>tags</dt><dd>new, 7, true</dd></dl></dd>"
        in shown
    )
    assert "<dt>note</dt><dd>null</dd>" in shown


def test_what_lies_deeper_and_lists_of_objects_are_json() -> None:
    shown = page({"a": {"b": {"c": {"d": 1}}}, "lines": [{"sku": "<X>"}]})
    assert "<dt>c</dt><dd><pre>{\n  &quot;d&quot;: 1\n}</pre></dd>" in shown
    assert "&quot;sku&quot;: &quot;&lt;X&gt;&quot;" in shown


def test_data_that_is_no_object_stands_alone() -> None:
    assert '<p class="text">a, b</p>' in page(["a", "b"])
    assert '<p class="text">40</p>' in page(40)
    assert "<pre>[" in page([[1]])


def test_every_name_and_value_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    shown = page({hostile: hostile, "in": {hostile: [hostile]}, "deep": [{hostile: hostile}]})
    assert "<img" not in shown
    assert shown.count("&lt;img") == 6
