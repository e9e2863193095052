"""The input of `pdf.render` and its checks. Unknown options are refused by name."""

import re
from typing import Annotated, Any, Literal

import msgspec

from visapi_common.contracts.runs import ArtifactRef
from visapi_common.contracts.templates import LocaleName, UsedTemplate
from visapi_common.core.egress_policy import parse_url
from visapi_common.core.errors import ProblemError
from visapi_common.core.template_names import REFERENCE
from visapi_pdf_worker.functions.render.rules.lengths import inches, paper_size

HTML_MAX = 8 * 1024 * 1024
_RANGES = re.compile(r"\s*\d{1,4}(\s*-\s*\d{1,4})?(\s*,\s*\d{1,4}(\s*-\s*\d{1,4})?)*\s*")

Key = Literal["author", "subject", "keywords", "creator"]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Length = Annotated[str, msgspec.Meta(max_length=20)]
Furniture = Annotated[str, msgspec.Meta(max_length=100_000)]


TemplateReference = Annotated[str, msgspec.Meta(pattern=f"^{REFERENCE}$", max_length=111)]


class Margins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lengths such as `10mm`; a document's own `@page` margins win over them."""

    top: Length = "10mm"
    right: Length = "10mm"
    bottom: Length = "10mm"
    left: Length = "10mm"


class Wait(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a scripted document waits for, after its load event, its fonts and its images."""

    selector: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    """A CSS selector that must match a visible element."""
    expression: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    """A JavaScript expression that must become true; promises are awaited."""
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    network_idle: bool = False
    """No request for 500 ms."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to print. The defaults give an A4 page with backgrounds, tagged for accessibility."""

    paper: Length = "A4"
    """A name such as `A4` or `Letter`, or `<width> <height>`."""
    margins: Margins | Length = msgspec.field(default_factory=Margins)
    landscape: bool = False
    scale: Annotated[float, msgspec.Meta(ge=0.1, le=2.0)] = 1.0
    background: bool = True
    header: Furniture | None = None
    """HTML with the classes `date title url pageNumber totalPages`; loads no assets (Chromium)."""
    footer: Furniture | None = None
    page_ranges: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Such as `1-3, 5`; empty means all."""
    css_page_size: bool = True
    """A size in the document's `@page` wins over `paper`."""
    tagged: bool = True
    outline: bool = False
    title: Text | None = None
    metadata: dict[Key, Text] = {}
    name: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^/\\\x00-\x1f]+$")] | None = None
    """The file name to offer people."""
    javascript: bool = False
    wait: Wait | None = None


class InlineTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template that comes with the task, in place of the name of a stored one."""

    source: Annotated[str, msgspec.Meta(max_length=1_000_000)]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to render: exactly one of `html`, `url` and `template`."""

    html: Annotated[str, msgspec.Meta(max_length=HTML_MAX)] | None = None
    url: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    template: TemplateReference | InlineTemplate | None = None
    """The name of a stored template, as `welcome` or `welcome@3`, or a source."""
    data: Any = None
    """What the template is given."""
    locale: LocaleName | None = None
    """Of a stored template: `de-AT` means `de` where there is no other, else the template's default."""
    options: Options = msgspec.field(default_factory=Options)

    @property
    def scripted(self) -> bool:
        """Whether the document needs its own context, because it runs scripts or is a web page."""
        return self.options.javascript or self.url is not None


class Rendered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer: a reference, never the bytes."""

    artifact: ArtifactRef
    pages: int
    size: int
    template: UsedTemplate | None = None
    """The stored template that was rendered."""


def check(document: Document) -> None:
    """Check constraints that the types cannot express. Raises `ProblemError`, for a URL also
    `EgressRefused`.
    """
    sources = [name for name in ("html", "url", "template") if getattr(document, name) is not None]
    if len(sources) != 1:
        given = " and ".join(sources) or "none"
        raise ProblemError("invalid_document", f"give exactly one of html, url and template, not {given}")
    if document.url is not None:
        # The proxy cannot see `file:` and `chrome:`, which Chromium opens by itself.
        parse_url(document.url)
    options = document.options
    if options.wait is not None and not options.javascript:
        raise ProblemError("invalid_options", "options.wait needs options.javascript: true")
    if options.page_ranges and not _RANGES.fullmatch(options.page_ranges):
        detail = f"options.page_ranges: cannot read {options.page_ranges!r}; write e.g. '1-3, 5'"
        raise ProblemError("invalid_options", detail)


def print_parameters(options: Options, *, pages_max: int) -> dict[str, Any]:
    """The parameters of CDP's `Page.printToPDF`. One page more than allowed is printed, never all,
    so that a document without end is noticed cheaply. Raises `ProblemError`.
    """
    width, height = paper_size(options.paper)
    margins = options.margins
    if isinstance(margins, str):
        margins = Margins(margins, margins, margins, margins)
    return {
        "landscape": options.landscape,
        "displayHeaderFooter": options.header is not None or options.footer is not None,
        "headerTemplate": options.header or "<span></span>",
        "footerTemplate": options.footer or "<span></span>",
        "printBackground": options.background,
        "scale": options.scale,
        "paperWidth": width,
        "paperHeight": height,
        "marginTop": inches(margins.top, pointer="options.margins.top"),
        "marginRight": inches(margins.right, pointer="options.margins.right"),
        "marginBottom": inches(margins.bottom, pointer="options.margins.bottom"),
        "marginLeft": inches(margins.left, pointer="options.margins.left"),
        "pageRanges": options.page_ranges or f"1-{pages_max + 1}",
        "preferCSSPageSize": options.css_page_size,
        "generateTaggedPDF": options.tagged,
        "generateDocumentOutline": options.outline,
    }
