"""The template sandbox, attacked."""

import asyncio
import time
from pathlib import Path

import pytest
from jinja2.filters import FILTERS
from prometheus_client import CollectorRegistry

from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_pdf_worker.browser import chromium
from visapi_pdf_worker.functions.render.rules.document import InlineTemplate
from visapi_pdf_worker.functions.render.templates import TemplateProcess


@pytest.fixture
async def templates():
    process = TemplateProcess(chromium.unprivileged(""), Metrics(CollectorRegistry()))
    yield process
    await process.stop()


async def test_data_is_escaped(templates):
    html = await templates.render("a", InlineTemplate("<p>{{ name }}</p>"), {"name": "<script>"})
    assert html == "<p>&lt;script&gt;</p>"


async def test_a_qr_code_is_inline_svg(templates):
    html = await templates.render("a", InlineTemplate("{{ qr(text) }}"), {"text": "<x>"})
    assert html.startswith("<svg")
    assert "<x>" not in html


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ (qr|attr('__globals__'))['os'] }}",
        "{{ qr.__globals__ }}",
        "{{ '{0.__class__.__mro__}'.format('x') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ ('{0.__class__}'|attr('format'))(7) }}",
        "{{ ['{0.__class__}']|map('format', 7)|list }}",
        "{% set f = '{0.__class__}'.format %}{{ f(7) }}",
        "{{ data.append(1) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
    ],
)
async def test_no_template_reaches_what_is_not_its_data(templates, source):
    try:
        html = await templates.render("a", InlineTemplate(source), {"data": [1]})
    except ProblemError as error:
        refusal = error.code
    else:
        refusal = ""
        assert not any(word in html for word in ("class", "module", "uid="))
    assert refusal in {"", "template_refused", "template_failed", "template_invalid"}


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 9999999999 }}",
        "{% for a in range(9999) %}{{ 'x' * 99999 }}{% endfor %}",
        "{{ 9 ** (9 ** 9) }}",
    ],
)
async def test_a_template_that_eats_the_machine_is_stopped(templates, source):
    begun = time.monotonic()
    with pytest.raises(ProblemError, match="template"):
        await templates.render("a", InlineTemplate(source), {})
    assert time.monotonic() - begun < 60
    assert await templates.render("a", InlineTemplate("{{ 1 + 1 }}"), {}) == "2"


async def test_a_template_sees_no_environment_and_may_open_no_file(templates):
    # What an escape would find; asked of the process itself, since no template gets this far.
    await templates.render("a", InlineTemplate("x"), {})
    pid = templates.processes.pid
    assert environment_of(pid) == b""


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_mistakes_are_told_with_their_line(templates):
    with pytest.raises(ProblemError, match="line 2"):
        await templates.render("a", InlineTemplate("ok\n{% if %}"), {})
    with pytest.raises(ProblemError, match="'nobody' is undefined"):
        await templates.render("a", InlineTemplate("{{ nobody.name }}"), {})


async def test_many_at_once_get_their_own_answers(templates):
    answers = await asyncio.gather(
        *(templates.render("a", InlineTemplate("{{ n }}"), {"n": number}) for number in range(20))
    )
    assert answers == [str(number) for number in range(20)]


async def test_eight_bombs_of_one_tenant_do_not_hold_up_another(templates):
    await templates.render("honest", InlineTemplate("warm"), {})
    bomb = InlineTemplate("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    bombs = [asyncio.create_task(templates.render("hostile", bomb, {})) for _ in range(8)]
    for number in range(10):
        assert await templates.render("honest", InlineTemplate("{{ n }}"), {"n": number}) == str(number)
    assert sum(one.done() for one in bombs) <= 4, "the honest documents waited for bombs"
    with pytest.raises(ProblemError, match="the template does too much"):
        await bombs[0]
    for one in bombs:
        one.cancel()
    await asyncio.gather(*bombs, return_exceptions=True)


@pytest.mark.parametrize("name", sorted(FILTERS))
async def test_no_filter_of_the_language_wants_to_open_a_file(templates, name):
    refused = ""
    for value in ("'<b>a.com</b>'", "[1, 2]"):
        try:
            await templates.render("a", InlineTemplate(f"{{{{ {value}|{name} }}}}"), {})
        except ProblemError as error:
            refused += error.detail
    assert "OSError" not in refused


async def test_placeholder_text_and_tags_stripped_from_data_come_out(templates):
    html = await templates.render("a", InlineTemplate("{{ '<b>bold</b>'|striptags }}{{ lipsum(n=1) }}"), {})
    assert html.startswith("bold<p>")
