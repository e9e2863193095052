"""Renders templates in a bounded process.

Jinja2's immutable sandbox: no attribute that begins with `_`, no loader, undefined is a mistake. The process
limits the cost of a template; each job has its own process, so templates cannot affect each other.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import jinja2
import msgspec
import segno
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.templates.requests import Flaw, Mistake, Rendered, RenderRequest

_DETAIL_MAX = 2000
_DATA_BYTES_MAX = 16 * 1024 * 1024
_LATE_IMPORTS = (
    "{{ '<b>'|striptags }}{{ 'a'|wordwrap }}{{ [1]|pprint }}{{ 'a.com'|urlize }}{{ lipsum(n=1) }}"
    "{{ 1|filesizeformat }}{{ {'a': 1}|xmlattr }}{{ 'a'|urlencode }}{{ [1, 2]|random }}"
)
"""The modules that Jinja2 and MarkupSafe import on first use."""
_NO_ASSETS: dict[str, str] = {}
_OTHER_FILES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_read_request = msgspec.msgpack.Decoder(RenderRequest).decode
_read_data = Reader(Any, depth_max=STORED_DEPTH_MAX, bytes_max=_DATA_BYTES_MAX)
_read_sources = msgspec.msgpack.Decoder(dict[str, str]).decode
_encode = msgspec.msgpack.Encoder().encode


def render(payload: bytes) -> bytes:
    """A job: takes an `RenderRequest` and returns a `Rendered`."""
    return _encode(rendered(_read_request(payload)))


def rendered(request: RenderRequest) -> Rendered:
    """Render every part; any failure of a template is a `Mistake`."""
    given = _read_data(request.data_json) if request.data_json else request.data
    if isinstance(given, Unreadable):
        return Rendered(mistake=Mistake("data", "template_failed", given.reason))
    variables: dict[str, Any] = {"data": given}
    if isinstance(given, dict):
        variables |= cast("dict[str, Any]", given)
    parts: dict[str, str] = {}
    left = request.output_max
    for part, source in request.sources.items():
        sandbox = environment(escaped=part in request.escaped, trim=request.trim, assets=request.assets)
        made = _part(sandbox, source, variables, left)
        if not isinstance(made, str):
            return Rendered(mistake=Mistake(part, *made))
        left -= len(made)
        parts[part] = made
    return Rendered(parts)


def check(payload: bytes) -> bytes:
    """A job: takes sources by place and returns their flaws, without rendering any."""
    found = {place: _flaw(source) for place, source in _read_sources(payload).items()}
    return _encode([Flaw(place, detail) for place, detail in found.items() if detail])


def environment(*, escaped: bool, trim: bool, assets: Mapping[str, str] = _NO_ASSETS) -> jinja2.Environment:
    """The sandbox, with the filters and functions that VisAPI adds to Jinja2."""
    sandbox = ImmutableSandboxedEnvironment(
        autoescape=escaped, undefined=jinja2.StrictUndefined, trim_blocks=trim, lstrip_blocks=trim
    )
    named = cast("dict[str, Any]", sandbox.globals)  # pyright: ignore[reportUnknownMemberType]
    named["qr"] = qr
    named["asset"] = _asset_of(assets)
    cast("dict[str, Any]", sandbox.filters)["mrz"] = mrz  # pyright: ignore[reportUnknownMemberType]
    return sandbox


def qr(text: object, colour: str = "#000") -> Markup:
    """A QR code as an inline SVG that fills its box (ISO/IEC 18004, error correction M)."""
    code = segno.make(str(text), error="m", micro=False)
    return Markup(code.svg_inline(border=0, dark=colour, omitsize=True))  # noqa: S704 (segno's own SVG)


def mrz(text: object, width: int = 30) -> str:
    """Text in the form of machine-readable zones: A-Z, 0-9 and `<`, padded (ICAO Doc 9303, part 3)."""
    spelled = "".join(
        letter if letter.isascii() and letter.isalnum() else "<" for letter in str(text).upper()
    )
    return spelled[:width].ljust(width, "<")


def _asset_of(assets: Mapping[str, str]) -> Callable[[object], str]:
    def asset(name: object) -> str:
        """The address of an asset. Raises `LookupError`, which the template's author sees."""
        found = assets.get(str(name))
        if found is None:
            raise LookupError(f"the template has no asset {str(name)[:100]!r}")
        return found

    return asset


def warm_up() -> None:
    """Import and build everything that the first template needs, because a job may open no file."""
    for source in (
        "{{ qr('warm up') }}{{ 'x'|mrz }}{% for a in [1] %}{{ loop.index }}{% endfor %}",
        "{% if %}",
        _LATE_IMPORTS,
    ):
        rendered(RenderRequest(sources={"html": source}, data={}, escaped=["html"], output_max=10_000))
    check(_encode({"a": "{% include 'b' %}", "c": "{{ 1|nothing }}"}))
    rendered(RenderRequest(sources={"text": "{{ nobody.name }}{{ 1|tojson }}"}, data=None, output_max=10_000))


def _flaw(source: str) -> str | None:
    """The mistake because of which a source cannot be rendered with any data; None without a mistake."""
    sandbox = environment(escaped=True, trim=False)
    try:
        parsed = sandbox.parse(source)
        other = next(parsed.find_all(_OTHER_FILES), None)
        if other is not None:
            return f"line {other.lineno}: a template names no other template; copy the contents"
        sandbox.compile(parsed)
    except jinja2.TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"[:_DETAIL_MAX]
    except MemoryError:
        return "the source needs more memory than it may have"
    except Exception as error:  # noqa: BLE001 (the source is a program; compiling it may raise anything)
        return f"{type(error).__name__}: {error}"[:_DETAIL_MAX]
    return None


def _part(
    sandbox: jinja2.Environment, source: str, variables: dict[str, Any], output_max: int
) -> str | tuple[str, str]:
    """The text, or the code and detail of a mistake."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in sandbox.from_string(source).generate(variables):
            size += len(piece)
            if size > output_max:
                return "template_limits", f"the result has more than {output_max} characters"
            pieces.append(piece)
    except jinja2.TemplateSyntaxError as error:
        return "template_invalid", f"line {error.lineno}: {error.message}"[:_DETAIL_MAX]
    except SecurityError as error:
        return "template_refused", str(error)[:_DETAIL_MAX]
    except MemoryError:
        return "template_limits", "the template needs more memory than it may have"
    except Exception as error:  # noqa: BLE001 (a template is a program; it may raise anything)
        return "template_failed", f"{type(error).__name__}: {error}"[:_DETAIL_MAX]
    return "".join(pieces)
