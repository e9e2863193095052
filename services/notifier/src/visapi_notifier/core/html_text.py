"""A plain-text twin of an HTML mail, and the other way round, when only one of them was given."""

import html
import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    {"address", "article", "blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol"}
    | {"p", "section", "table", "tr", "ul"}
)
_UNSEEN = frozenset({"head", "script", "style", "title", "template"})


def text_of(markup: str) -> str:
    """Readable text: blocks become lines, links keep their address, scripts and styles vanish."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = [re.sub(r"[^\S\n]+", " ", line).strip() for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def html_of(text: str) -> str:
    """The text as a minimal HTML document, everything escaped."""
    paragraphs = (html.escape(part).replace("\n", "<br>\n") for part in re.split(r"\n{2,}", text.strip()))
    body = "\n".join(f"<p>{part}</p>" for part in paragraphs)
    return f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n{body}\n</body></html>\n'


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._unseen = 0
        if tag in _UNSEEN:
            self._unseen += 1
        if tag in _BLOCKS:
            self.parts.append("\n")
        if tag == "li":
            self.parts.append("- ")
        if tag == "td":
            self.parts.append(" ")
        if tag == "a":
            target = dict(attrs).get("href") or ""
            self._link = target if target.startswith(("http://", "https://", "mailto:")) else None

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag in _BLOCKS and tag not in ("br", "hr", "li"):
            self.parts.append("\n")
        if tag == "a" and self._link:
            self.parts.append(f" ({self._link})")
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data.replace("\n", " "))
