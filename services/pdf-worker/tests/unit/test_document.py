"""The input of `pdf.render`: what is taken, what is refused, and what Chromium is told."""

import msgspec
import pytest

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_pdf_worker.functions.render.rules.document import Document, Options, check, print_parameters
from visapi_pdf_worker.functions.render.rules.lengths import inches, paper_size


def document(**fields: object) -> Document:
    return msgspec.convert(fields, Document)


@pytest.mark.parametrize("fields", [{}, {"html": "x", "url": "https://x"}, {"html": "x", "template": "y"}])
def test_exactly_one_source_is_asked_for(fields):
    with pytest.raises(ProblemError, match="exactly one"):
        check(document(**fields))


@pytest.mark.parametrize(
    "options",
    [
        {"papr": "A4"},
        {"scale": 3},
        {"name": "../x.pdf"},
        {"metadata": {"producer": "x"}},
        {"wait": {"delay_ms": 99999}},
    ],
)
def test_an_unknown_or_impossible_option_is_refused(options):
    with pytest.raises(msgspec.ValidationError):
        document(html="x", options=options)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "chrome://version",
        "data:text/html,x",
        "view-source:https://x.org",
        "//x.org",
    ],
)
def test_only_the_web_can_be_a_url(url):
    with pytest.raises(EgressRefused):
        check(document(url=url))


def test_waiting_needs_scripts():
    with pytest.raises(ProblemError, match="javascript: true"):
        check(document(html="x", options={"wait": {"selector": "#done"}}))


@pytest.mark.parametrize("ranges", ["a", "1-", "1;2", "-3"])
def test_page_ranges_that_cannot_be_read_are_refused(ranges):
    with pytest.raises(ProblemError, match="page_ranges"):
        check(document(html="x", options={"page_ranges": ranges}))


@pytest.mark.parametrize("template", ["../secret", "Visa", "a/b", ""])
def test_a_template_name_cannot_be_a_path(template):
    with pytest.raises(msgspec.ValidationError):
        document(template=template)


def test_the_defaults_are_a4_with_backgrounds_tagged_and_without_scripts():
    told = print_parameters(Options(), pages_max=200)
    assert (round(told["paperWidth"] * 25.4), round(told["paperHeight"] * 25.4)) == (210, 297)
    assert told["printBackground"]
    assert told["generateTaggedPDF"]
    assert not document(html="x").scripted


def test_one_page_more_than_allowed_is_printed_and_no_more():
    assert print_parameters(Options(), pages_max=200)["pageRanges"] == "1-201"
    assert print_parameters(Options(page_ranges="2-3"), pages_max=200)["pageRanges"] == "2-3"


@pytest.mark.parametrize(
    ("text", "expected"), [("1in", 1.0), ("25.4mm", 1.0), ("2.54cm", 1.0), ("96px", 1.0), ("0", 0.0)]
)
def test_lengths_are_read_as_css_writes_them(text, expected):
    assert inches(text, pointer="x") == pytest.approx(expected)


@pytest.mark.parametrize("text", ["A9", "10", "1mm", "1000in 1in", "210mm"])
def test_a_paper_that_does_not_exist_is_refused(text):
    with pytest.raises(ProblemError, match=r"paper|length"):
        paper_size(text)


def test_a_page_of_the_web_gets_a_context_of_its_own():
    assert document(url="https://example.com").scripted
    assert document(html="x", options={"javascript": True}).scripted
