"""The page on which people decide about an approval: no script, no outside resources, every value escaped.

The page works without JavaScript, on a phone, in dark mode, and by keyboard. Opening the page decides
nothing, only its form does: mail scanners and chats that fetch links ahead change nothing.
"""

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from typing import Any, cast

import msgspec

from visapi_common.contracts.approvals import COMMENT_MAX, ApprovalView
from visapi_gateway.kernel.asgi.http import Header

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2530;--soft:#5b6775;--line:#dfe4ea;--paper:#fff;--ground:#f4f6f8;
--accent:#1f6feb;--accent-ink:#fff;--field:#8a94a0;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa5b1;--line:#2d3641;--paper:#171c22;
--ground:#0f1317;--accent:#4c8dff;--accent-ink:#0b1220;--field:#66717d;--bad:#ff8f85}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:40rem;margin:clamp(0rem,6vw,4rem) auto;background:var(--paper);border:1px solid var(--line);
border-radius:14px;padding:clamp(1.25rem,4vw,2.25rem);overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem;letter-spacing:-.01em}
p{margin:0 0 1rem}.from{color:var(--soft);font-size:.875rem;margin-bottom:.5rem}.text{white-space:pre-wrap}
dl{display:grid;grid-template-columns:minmax(6rem,auto) 1fr;margin:0 0 1.25rem;
border-top:1px solid var(--line)}
dt,dd{margin:0;padding:.5rem .75rem .5rem 0;border-bottom:1px solid var(--line)}dt{color:var(--soft)}
pre{margin:0 0 1.25rem;padding:.75rem;border:1px solid var(--line);border-radius:8px;overflow:auto;
font:13px/1.45 ui-monospace,monospace;white-space:pre-wrap}dd pre{margin:0;padding:0;border:0}
dd dl{margin:0;border:0}dd dl dt,dd dl dd{border:0;padding:0 .75rem .25rem 0}
label{display:block;color:var(--soft);font-size:.875rem;margin-bottom:.25rem}
textarea{width:100%;min-height:5.5rem;padding:.625rem .75rem;font:inherit;color:inherit;
background:var(--ground);border:1px solid var(--field);border-radius:8px;resize:vertical}
.choices{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1rem}
button{flex:1 1 8rem;min-height:3rem;padding:.625rem 1rem;font:inherit;font-weight:600;
border-radius:8px;cursor:pointer;border:1px solid var(--field);background:transparent;color:inherit}
button:first-child{background:var(--accent);border-color:var(--accent);color:var(--accent-ink)}
button:hover{border-color:var(--accent)}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.state{border-left:4px solid var(--soft);padding:.125rem 0 .125rem 1rem;margin:0 0 1.25rem}
.decided{border-color:var(--accent)}.over{border-color:var(--bad)}
.state strong{display:block;font-size:1.125rem}
.notes{color:var(--soft);font-size:.875rem;margin:1.25rem 0 0}
@media(max-width:40rem){main{border-width:0 0 1px;border-radius:0;margin:0}dl{grid-template-columns:1fr}
dt{border-bottom:0;padding-bottom:0}dd{padding-top:0}dd dl{padding-left:1rem}}
"""

_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: tuple[Header, ...] = (
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"cache-control", b"no-store"),
)

TABLES = 2
"""How deep tables may nest in the table of the data."""

_GONE = {
    "expired": ("The time to decide is over.", "Nobody can decide this any more."),
    "cancelled": ("No decision is needed any more.", "The workflow that asked has gone on or ended."),
}


def question_page(view: ApprovalView, holder: str, *, refused: str | None = None) -> bytes:
    """The page of an approval: open, decided or expired. `refused` says which input was not accepted."""
    head = f'<p class="from">{escape(_from(view))}</p><h1>{escape(view.title)}</h1>'
    text = f'<p class="text">{escape(view.text)}</p>' if view.text else ""
    about = text + _data(msgspec.json.decode(view.data))
    if view.state == "open":
        return _page(view.title, head + _refusal(refused) + about + _form(view) + _notes(view, holder))
    return _page(view.title, head + _refusal(refused) + _outcome(view) + about)


def nothing_page() -> bytes:
    """The page of an invalid link. It never tells the reason."""
    body = (
        '<h1>This link opens nothing.</h1><p class="text">It may be cut off: check that you have the whole '
        "link, as it was sent to you. Old questions are removed after some time.</p>"
    )
    return _page("Not found", body)


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex, nofollow">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    ).encode()


def _from(view: ApprovalView) -> str:
    return f"Asked by the workflow {view.workflow.rpartition(':')[0]}, {_moment(view.asked_at)}"


def _refusal(refused: str | None) -> str:
    return "" if refused is None else f'<p class="state over" role="alert">{escape(refused)}</p>'


def _outcome(view: ApprovalView) -> str:
    if view.decision is None:
        title, detail = _GONE.get(view.state, _GONE["cancelled"])
        return f'<div class="state over"><strong>{title}</strong>{detail}</div>'
    when = "" if view.closed_at is None else f" on {_moment(view.closed_at)}"
    comment = "" if view.comment is None else f'<p class="text">“{escape(view.comment)}”</p>'
    return (
        f'<div class="state decided"><strong>Decision: {escape(_label(view.decision))}</strong>'
        f"Decided by {escape(_who(view.decided_by or ''))}{when}.</div>{comment}"
    )


def _who(by: str) -> str:
    if by.startswith("key:"):
        return "a program with an API key"
    return {"link": "somebody who holds the link", "deadline": "the deadline"}.get(by, by)


def _form(view: ApprovalView) -> str:
    buttons = "".join(
        f'<button name="decision" value="{escape(choice)}">{escape(_label(choice))}</button>'
        for choice in view.choices
    )
    return (
        '<form method="post"><label for="comment">Comment (optional)</label>'
        f'<textarea id="comment" name="comment" maxlength="{COMMENT_MAX}"></textarea>'
        f'<div class="choices">{buttons}</div></form>'
    )


def _notes(view: ApprovalView, holder: str) -> str:
    notes = [f"You decide as {holder}."] if holder else []
    if view.expires_at is not None:
        notes.append(f"Please decide before {_moment(view.expires_at)}.")
    notes.append("The first decision counts; it cannot be taken back.")
    return f'<p class="notes">{escape(" ".join(notes))}</p>'


def _label(choice: str) -> str:
    return choice[:1].upper() + choice[1:]


def _data(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return _table(cast("dict[str, Any]", value), TABLES)
    return f'<p class="text">{_plain(value)}</p>' if _is_plain(value) else _value(value, 0)


def _table(value: dict[str, Any], deeper: int) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{_value(inner, deeper)}</dd>" for name, inner in value.items()
    )
    return f"<dl>{rows}</dl>" if rows else ""


def _value(value: Any, deeper: int) -> str:
    """A nested table up to `DEPTH`; below that, JSON."""
    if _is_plain(value):
        return _plain(value)
    if isinstance(value, dict) and deeper:
        return _table(cast("dict[str, Any]", value), deeper - 1)
    return f"<pre>{escape(msgspec.json.format(msgspec.json.encode(value)).decode())}</pre>"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(inner, dict | list) for inner in cast("list[Any]", value))
    return not isinstance(value, dict)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in cast("list[Any]", value))
    return escape(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _moment(time: datetime) -> str:
    utc = time.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"
