"""Rendering with a real Chromium, which serves all these documents one after the other."""

import io
from datetime import UTC, datetime
from uuid import UUID

import pikepdf
import pytest

from visapi_common.core.errors import ProblemError
from visapi_pdf_worker.browser import loading, static_pages
from visapi_pdf_worker.browser.loading import PIECE_CHARS
from visapi_pdf_worker.functions.render import scripted_page

pytestmark = pytest.mark.asyncio(loop_scope="module")
CERTIFICATE = {
    "reference": "VA-1",
    "applicant": {
        "name": "Zoë <b>Ünal</b>",
        "date_of_birth": "1990-01-02",
        "nationality": "Chile",
        "passport_number": "P1",
    },
    "visa": {
        "number": "V-1",
        "type": "Business",
        "valid_from": "2026-01-01",
        "valid_until": "2026-12-31",
        "entries": "multiple",
    },
}


@pytest.fixture
def rig(rig_of_file):
    rig_of_file.limit()
    return rig_of_file


async def test_html_becomes_a_stored_pdf_and_the_answer_refers_to_it(rig):
    rendered = await rig.render(html="<h1>Hello</h1>", options={"name": "hello.pdf", "title": "Greeting"})
    pdf = await rig.pdf(rendered)
    assert pdf.startswith(b"%PDF-")
    assert (rendered.pages, rendered.size) == (1, len(pdf))
    assert (rendered.artifact.name, rendered.artifact.pages) == ("hello.pdf", 1)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert str(opened.docinfo["/Title"]) == "Greeting"


async def test_the_dates_in_the_file_are_the_runs(rig):
    rendered = await rig.render(html="x", run=UUID("01930000-0000-7000-8000-000000000001"))
    when = datetime.fromtimestamp(0x019300000000 // 1000, UTC).strftime("D:%Y%m%d%H%M%S+00'00'")
    with pikepdf.open(io.BytesIO(await rig.pdf(rendered))) as opened:
        assert str(opened.docinfo["/CreationDate"]) == str(opened.docinfo["/ModDate"]) == when


async def test_the_certificate_shows_its_data_escaped_on_one_page(rig):
    rendered = await rig.render(template="visa-certificate", data=CERTIFICATE)
    assert rendered.pages == 1
    text = await rig.text(template="visa-certificate", data=CERTIFICATE)
    assert "Zoë <b>Ünal</b>" in text
    assert "V-1" in text


async def test_options_reach_the_paper(rig):
    rendered = await rig.render(
        html="<p>x", options={"paper": "100mm 50mm", "landscape": False, "css_page_size": False}
    )
    with pikepdf.open(io.BytesIO(await rig.pdf(rendered))) as opened:
        box = [float(value) for value in opened.pages[0].mediabox]
    assert (round(box[2] / 72 * 25.4), round(box[3] / 72 * 25.4)) == (100, 50)


async def test_scripts_do_not_run_unless_asked_for(rig):
    html = "<p id=a>before</p><script>document.getElementById('a').textContent = 'after'</script>"
    assert "before" in await rig.text(html=html)
    assert "after" in await rig.text(html=html, options={"javascript": True})


async def test_a_scripted_document_is_waited_for(rig):
    html = "<p id=a>before</p><script>setTimeout(() => { a.textContent = 'after'; a.className = 'done' }, 150)</script>"
    text = await rig.text(html=html, options={"javascript": True, "wait": {"selector": ".done"}})
    assert "after" in text


@pytest.mark.parametrize("expression", ["window.done", "() => window.done", "Promise.resolve(window.done)"])
async def test_an_expression_is_waited_for(rig, expression):
    html = "<p id=a>before</p><script>setTimeout(() => { a.textContent = 'after'; window.done = 1 }, 150)</script>"
    options = {"javascript": True, "wait": {"expression": expression}}
    assert "after" in await rig.text(html=html, options=options)


@pytest.mark.parametrize("javascript", [False, True])
async def test_a_document_of_megabytes_is_printed_to_its_end(rig, javascript):
    html = f"<!--{'x' * 7_000_000}--><p>the end"
    assert "the end" in await rig.text(html=html, options={"javascript": javascript})


@pytest.mark.parametrize("javascript", [False, True])
async def test_a_document_of_megabytes_passes_through_the_driver_in_pieces(rig, monkeypatch, javascript):
    """One message of megabytes would keep those of other documents waiting."""
    longest = 0
    async with rig.browsers.use() as running:
        send = running.targets.session.send

        def sending(method, params=None):
            nonlocal longest
            longest = max(longest, len(str(params)))
            return send(method, params)

        monkeypatch.setattr(running.targets.session, "send", sending)
        html = f"<!--{'x' * 7_000_000}--><p>the end"
        assert "the end" in await rig.text(html=html, options={"javascript": javascript})
    assert PIECE_CHARS < longest < 2 * PIECE_CHARS


WRITTEN = {
    "text of all kinds": ("<p>naïve 漢字 \U0001f600 \u2028 \\ ' \" ` ${x} end", {}, "naïve"),
    "a style": ("<!doctype html><style>p::before { content: 'styled ' }</style><p>text", {}, "styled"),
    "a table": ("<table>" + "<tr><td>cell" * 500 + "</table><p>after the table", {}, "after the table"),
    "a script": ("<p id=a>before</p><script>a.textContent = 'by script'</script>", {}, "by script"),
    "a script that writes": ("<script>document.write('<p>written ' + 6 * 7)</script>", {}, "written 42"),
    "a module": ("<p id=a>-</p><script type=module>a.textContent = 'by module'</script>", {}, "by module"),
    "what comes with the load": ("<p id=a>-</p><script>onload = () => { a.textContent = 'at load' }</script>", {}, "at load"),
    "what is waited for": (
        "<p id=a>-</p><script>setTimeout(() => { a.textContent = 'later'; a.className = 'done' }, 50)</script>",
        {"wait": {"selector": ".done"}},
        "later",
    ),
    "its address": ("<p id=a>-</p><script>a.textContent = location.hostname</script>", {}, "default.documents.visapi"),
    "its mode": ("<p id=a>-</p><script>a.textContent = document.compatMode</script>", {}, "BackCompat"),
    "where it goes": ("<p>first</p><script>location.href = 'data:text/html,second'</script>", {}, "first"),
    "itself again": (
        "<p id=a>-</p><script>a.textContent = sessionStorage.n ? 'again' : 'once'; if (!sessionStorage.n) { sessionStorage.n = 1; location.reload() }</script>",
        {},
        "again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITTEN)
async def test_a_document_that_is_written_in_pieces_prints_as_one_that_is_not(rig, monkeypatch, kind):
    html, more, expected = WRITTEN[kind]
    options = {"javascript": True, **more}
    whole = await rig.text(html=html, options=options)
    monkeypatch.setattr(scripted_page, "_WHOLE_CHARS", 0)
    monkeypatch.setattr(loading, "PIECE_CHARS", 7)
    assert await rig.text(html=html, options=options) == whole
    assert expected in whole


async def test_a_static_document_that_is_written_in_pieces_prints_as_one_that_is_not(rig, monkeypatch):
    texts = [await rig.text(html=html) for html, _, _ in WRITTEN.values()]
    for module in (loading, static_pages):
        monkeypatch.setattr(module, "PIECE_CHARS", 7)
    assert [await rig.text(html=html) for html, _, _ in WRITTEN.values()] == texts


async def test_a_document_that_loads_itself_again_while_it_is_waited_for_is_refused(rig):
    html = "<p>now</p><script>setTimeout(() => location.reload(), 300)</script>"
    with pytest.raises(ProblemError, match="loaded itself again"):
        await rig.render(html=html, options={"javascript": True, "wait": {"delay_ms": 1500}})


async def test_images_and_fonts_given_inline_are_there_when_it_prints(rig):
    svg = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='99' height='9'><text y='9'>INLINE</text></svg>"
    assert "INLINE" in await rig.text(html=f'<img src="{svg}" width=200>')


async def test_headers_footers_and_ranges_are_printed(rig):
    html = "<div style='break-after:page'>one</div><div>two</div>"
    footer = "<div style='font-size:9px'>page <span class=pageNumber></span> of <span class=totalPages></span></div>"
    text = await rig.text(html=html, options={"footer": footer, "margins": "20mm", "page_ranges": "2"})
    assert "two" in text
    assert "one" not in text
    assert "page 2 of 2" in text


async def test_pages_that_do_not_exist_are_a_problem(rig):
    with pytest.raises(ProblemError, match="page_ranges"):
        await rig.render(html="one page", options={"page_ranges": "7"})


async def test_too_many_pages_and_too_many_bytes_are_problems(rig):
    rig.limit(pages_max=3)
    with pytest.raises(ProblemError, match="more than 3 pages"):
        await rig.render(html="<div style='break-after:page'>x</div>" * 10)
    rig.limit(bytes_max=1000)
    with pytest.raises(ProblemError, match="limit is 1000"):
        await rig.render(html="x")
