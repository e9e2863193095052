"""Makes the plain-text form of an HTML mail, and the HTML form of a text mail, when only one is given.

Markup is read in one pass as in browsers (WHATWG HTML, 13.2.5): each character is read a bounded number of
times, even in unterminated markup. The standard library's parser takes quadratic time.
"""

import html
import re

_BLOCKS = frozenset(
    {"address", "article", "blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol"}
    | {"p", "section", "table", "tr", "ul"}
)
_UNSEEN = frozenset({"head", "script", "style", "title", "template"})
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
"""Elements whose content is text up to their end tag."""

_NAME = re.compile(r"[^\s/>]++")
_BETWEEN = re.compile(r"[\s/]*+")
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'"""
    r"""|(?P<bare>[^\s>"'][^\s>]*+)))?+"""
)
_LONG_REFERENCE = re.compile(r"&#(?:[0-9]{9}[0-9]*+|[xX][0-9a-fA-F]{9}[0-9a-fA-F]*+);?+")
"""A character reference beyond Unicode, whose digits no integer should be made of."""
_SPACE = re.compile(r"[^\S\n]++")


def text_of(markup: str) -> str:
    """Readable text: blocks become lines, links keep their address, scripts and styles are removed."""
    reader = _Reader()
    _read(markup, reader)
    lines = [_SPACE.sub(" ", line).strip() for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}+", "\n\n", "\n".join(lines)).strip() + "\n"


def html_of(text: str) -> str:
    """The text as a minimal HTML document, everything escaped."""
    paragraphs = (html.escape(part).replace("\n", "<br>\n") for part in re.split(r"\n{2,}+", text.strip()))
    body = "\n".join(f"<p>{part}</p>" for part in paragraphs)
    return f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n{body}\n</body></html>\n'


def _read(markup: str, reader: "_Reader") -> None:
    """Pass each tag and text to the reader, in order; an unterminated construct extends to the end."""
    at = 0
    while at < len(markup):
        found = markup.find("<", at)
        begin = len(markup) if found < 0 else found
        if begin > at:
            reader.text(markup[at:begin])
        if begin == len(markup):
            return
        at = _construct(markup, begin, reader)


def _construct(markup: str, at: int, reader: "_Reader") -> int:
    """What stands at a `<`; answers where it ends."""
    follows = markup[at + 1 : at + 2]
    if follows.isascii() and follows.isalpha():
        return _start_tag(markup, at, reader)
    if follows == "/":
        return _end_tag(markup, at, reader)
    if markup.startswith("<!--", at):
        return _after(markup, "-->", at + 2)
    if follows in ("!", "?"):
        return _after(markup, ">", at + 2)
    reader.text("<")
    return at + 1


def _start_tag(markup: str, at: int, reader: "_Reader") -> int:
    name = _NAME.match(markup, at + 1)
    assert name is not None, "a letter follows"
    tag = name.group().lower()
    target, end = _attributes(markup, name.end())
    if end > len(markup):
        return end
    reader.start(tag, target)
    if tag not in _RAW:
        return end
    closing = re.compile(rf"</{tag}(?=[\s/>])", re.IGNORECASE).search(markup, end)
    reader.text(markup[end : closing.start() if closing else len(markup)])
    return closing.start() if closing else len(markup)


def _end_tag(markup: str, at: int, reader: "_Reader") -> int:
    name = _NAME.match(markup, at + 2)
    if name is None or not name.group()[0].isalpha():
        return _after(markup, ">", at + 2)
    _, end = _attributes(markup, name.end())
    if end <= len(markup):
        reader.end(name.group().lower())
    return end


def _attributes(markup: str, at: int) -> tuple[str, int]:
    """The target of a link among a tag's attributes, and where the tag ends; without an end, beyond all."""
    target: str | None = None
    while (at := _BETWEEN.match(markup, at).end()) < len(markup):  # pyright: ignore[reportOptionalMemberAccess]
        found = _ATTRIBUTE.match(markup, at)
        if found is None:
            return _unescaped(target or ""), at + 1
        if target is None and found["name"].lower() == "href":
            target = found["double"] or found["single"] or found["bare"] or ""
        at = found.end()
    return "", len(markup) + 1


def _after(markup: str, mark: str, at: int) -> int:
    found = markup.find(mark, at)
    return len(markup) if found < 0 else found + len(mark)


def _unescaped(text: str) -> str:
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


class _Reader:
    """The visible text of a document."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._unseen = 0
        self._link: str | None = None

    def start(self, tag: str, target: str) -> None:
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
            self._link = target if target.startswith(("http://", "https://", "mailto:")) else None

    def end(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag in _BLOCKS and tag not in ("br", "hr", "li"):
            self.parts.append("\n")
        if tag == "a" and self._link:
            self.parts.append(f" ({self._link})")
            self._link = None

    def text(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(_unescaped(data).replace("\n", " "))
