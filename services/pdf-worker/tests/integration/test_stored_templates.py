"""`pdf.render` with a template that a tenant has stored."""

import io
from typing import Any

import pikepdf
import pytest

from visapi_common.contracts.templates import TemplateParts, UsedTemplate
from visapi_common.core.errors import ProblemError

PAGE = '<img src="{{ asset(\'logo.png\') }}" style="width: 40px"><h1>{{ greeting }} {{ name }}</h1>'


async def test_a_document_shows_the_assets_of_the_version_that_its_output_names(rig: Any) -> None:
    await rig.shelf.store(1, en=TemplateParts(html=PAGE), de=TemplateParts(html=f"<i>{PAGE}</i>"))
    await rig.shelf.store(2, en=TemplateParts(html="<p>second"))
    data = {"greeting": "Hello", "name": "Ada"}
    first = await rig.render(template="welcome@1", locale="de-AT", data=data)
    assert first.template == UsedTemplate("welcome", 1, "de")
    with pikepdf.open(io.BytesIO(await rig.pdf(first))) as opened:
        assert len(opened.pages[0].get_images()) == 1
    assert "Hello Ada" in await rig.text(template="welcome@1", data=data)
    assert "second" in await rig.text(template="welcome", data=data)
    with pytest.raises(ProblemError, match="no version 3") as refused:
        await rig.render(template="welcome@3")
    assert refused.value.code == "template_unknown"
    assert (await rig.render(html="<p>without")).template is None
