"""The API as one plain page, without scripts or outside resources."""

from collections.abc import Sequence
from html import escape

from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.kernel.problems import KINDS, path_of

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-family:ui-monospace,monospace}section{border-top:1px solid #8884;padding:1rem 0}"
    "table{border-collapse:collapse;width:100%}h3{margin:0 0 .25rem}.method{font-weight:600}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8882}"
)


def build_docs(operations: Sequence[Operation], version: str) -> bytes:
    """The page, in UTF-8."""
    tags = list(dict.fromkeys(operation.tag for operation in operations))
    parts = [f"<h2>{escape(tag)}</h2>{_tag(operations, tag)}" for tag in tags]
    return html_page(
        "VisAPI",
        f"<h1>VisAPI {escape(version)}</h1>"
        "<p>Send an API key as <code>Authorization: Bearer visapi_…</code>. The exact description is "
        '<a href="/openapi.json">/openapi.json</a>.</p>'
        f"{''.join(parts)}<h2>problems</h2>{problem_table()}",
    )


def html_page(title: str, body: str) -> bytes:
    """A whole page in UTF-8. `body` is HTML."""
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )
    return page.encode()


def shown_path(operation: Operation) -> str:
    """The path without the types of its parameters."""
    return operation.path.replace(":str}", "}").replace(":uuid}", "}")


def problem_table() -> str:
    """Every problem with a link to its page, as HTML."""
    rows = "".join(
        f'<tr id="{code}"><td>{kind.status}</td><td><a href="{path_of(code)}"><code>{code}</code></a></td>'
        f"<td>{escape(kind.title)}</td></tr>"
        for code, kind in KINDS.items()
    )
    return f"<table><tr><th>status</th><th>code</th><th>title</th></tr>{rows}</table>"


def _tag(operations: Sequence[Operation], tag: str) -> str:
    return "".join(_operation(operation) for operation in operations if operation.tag == tag)


def _operation(operation: Operation) -> str:
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(answer.meaning)}</td></tr>"
        for status, answer in operation.responses.items()
    )
    needs = "no key needed" if operation.public else f"scope {operation.scope or 'any'}"
    return (
        f'<section id="{operation.name}"><h3>{escape(operation.summary)}</h3>'
        f'<p><code><span class="method">{operation.method}</span> {escape(shown_path(operation))}</code>'
        f" · {escape(needs)}</p><p>{escape(operation.full_description)}</p><table>{rows}</table></section>"
    )
