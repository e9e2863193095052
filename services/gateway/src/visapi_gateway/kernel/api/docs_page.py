"""The API as one plain page, without scripts or outside resources."""

from collections.abc import Sequence
from html import escape

from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.kernel.problems import KINDS, type_of

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
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>VisAPI</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>VisAPI {escape(version)}</h1>"
        "<p>Send an API key as <code>Authorization: Bearer visapi_…</code>. The exact description is "
        '<a href="/openapi.json">/openapi.json</a>.</p>'
        f"{''.join(parts)}<h2>problems</h2>{_problems()}</body></html>"
    )
    return page.encode()


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
        f'<p><code><span class="method">{operation.method}</span> {escape(_shown(operation.path))}</code>'
        f" · {escape(needs)}</p><p>{escape(operation.description)}</p><table>{rows}</table></section>"
    )


def _shown(path: str) -> str:
    return path.replace(":str}", "}").replace(":uuid}", "}")


def _problems() -> str:
    rows = "".join(
        f'<tr id="{code}"><td>{kind.status}</td><td><code>{code}</code></td><td>{escape(kind.title)}</td>'
        f"<td><code>{type_of(code)}</code></td></tr>"
        for code, kind in KINDS.items()
    )
    return f"<table><tr><th>status</th><th>code</th><th>title</th><th>type</th></tr>{rows}</table>"
