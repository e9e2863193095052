"""Templates render in a process that can neither reach anything nor take the machine down."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.channels.email.templates import TemplateProcess
from visapi_notifier.opening import open_programs

packed = msgspec.msgpack.encode


@pytest.fixture
async def templates() -> AsyncIterator[TemplateProcess]:
    processes = open_programs(Metrics(CollectorRegistry()))
    yield TemplateProcess(processes)
    await processes.close()


async def test_data_is_escaped_in_html_and_not_in_text(templates: TemplateProcess) -> None:
    sources = {"html": "<p>{{ name }} {{ data.name }}</p>", "text": "{{ name }}", "subject": "Hi {{ name }}"}
    parts = await templates.render("a", sources, packed({"name": "<Ada>"}))
    assert parts == {"html": "<p>&lt;Ada&gt; &lt;Ada&gt;</p>", "text": "<Ada>", "subject": "Hi <Ada>"}


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing }}",
        "{% if %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ ''|attr('__class__') }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ self._TemplateReference__context }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ range(10000000)|list }}",
        "{{ data.append(1) }}",
        "{{ 1/0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for a in range(99999) %}{{ 'x' * 100 }}{% endfor %}",
    ],
)
async def test_a_mistake_or_an_attack_is_named_and_the_next_rendering_works(
    templates: TemplateProcess, source: str
) -> None:
    with pytest.raises(ProblemError, match="/template"):
        await templates.render("a", {"html": source}, packed([]))
    assert await templates.render("a", {"html": "ok"}, None) == {"html": "ok"}


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10**10 }}",
        "{% set n = namespace(x='x' * 10**8) %}{% for i in range(9) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x|length }}",
    ],
)
async def test_a_bomb_ends_its_process_and_nothing_else(templates: TemplateProcess, source: str) -> None:
    with pytest.raises(ProblemError, match="/template"):
        await templates.render("a", {"html": source}, packed({}))
    assert await templates.render("a", {"html": "ok"}, packed({})) == {"html": "ok"}
