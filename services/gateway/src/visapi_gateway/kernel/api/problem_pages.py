"""A page for each problem: its meaning, what a caller can do, and the operations that answer with it."""

import re
from collections.abc import Sequence
from html import escape

import msgspec

from visapi_gateway.kernel.api.docs_page import html_page, problem_table, shown_path
from visapi_gateway.kernel.api.openapi import problem_codes
from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.kernel.problem_guidance import guidance
from visapi_gateway.kernel.problems import KINDS, PAGES, path_of, type_of

LISTED_MAX = 25
"""A problem of more operations than these is one of the whole API."""

_CODE = re.compile(r"`([^`]+)`")


def build_problem_pages(operations: Sequence[Operation]) -> dict[str, bytes]:
    """The pages of all problems by their paths, and the page that lists them."""
    of_codes = [(each, frozenset(problem_codes(each))) for each in operations]
    pages = {PAGES: _index()}
    for code in KINDS:
        pages[path_of(code)] = _page(code, [each for each, codes in of_codes if code in codes])
    return pages


def _index() -> bytes:
    return html_page(
        "Problems of VisAPI",
        "<h1>Problems</h1><p>Errors are problem details (RFC 9457). The <code>type</code> of each ends in "
        f"the path of a page here.</p>{problem_table()}",
    )


def _page(code: str, operations: Sequence[Operation]) -> bytes:
    """The page of a problem of these operations."""
    kind = KINDS[code]
    example = {"type": type_of(code), "title": kind.title, "status": kind.status, "code": code}
    shown = msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
    return html_page(
        kind.title,
        f"<h1>{escape(kind.title)}</h1><p><code>{code}</code> · status {kind.status}</p>"
        f"<h2>What to do</h2><p>{_marked(guidance(code))}</p>"
        f"<h2>Answers</h2><pre>{escape(shown)}</pre><p>Program against <code>type</code> or "
        "<code>code</code>; both are stable. <code>detail</code> tells what happened this time, and "
        "<code>request_id</code> finds the request in the logs.</p>"
        f"<h2>Operations</h2>{_operations(operations)}"
        '<p><a href="/problems">All problems</a> · <a href="/docs">All operations</a></p>',
    )


def _operations(operations: Sequence[Operation]) -> str:
    if not operations or len(operations) > LISTED_MAX:
        return "<p>Any operation may answer with this problem.</p>"
    items = "".join(
        f'<li><a href="/docs#{each.name}"><code>{each.method} {escape(shown_path(each))}</code></a></li>'
        for each in operations
    )
    return f"<ul>{items}</ul>"


def _marked(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
