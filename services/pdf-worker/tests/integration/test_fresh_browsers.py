"""Documents that need a browser of their own, or end one."""

import asyncio

import msgspec
import pytest

from kit.waiting import eventually
from visapi_common.worker import TaskFault

CERTIFICATE = {
    "reference": "VA-1",
    "applicant": {
        "name": "Z",
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


async def test_the_same_document_of_the_same_run_has_the_same_bytes_on_a_fresh_browser(rig):
    first = await rig.render(template="visa-certificate", data=CERTIFICATE)
    again = await rig.render(template="visa-certificate", data=CERTIFICATE)
    await rig.browsers.stop()
    fresh = await rig.render(template="visa-certificate", data=CERTIFICATE)
    assert first.artifact.id == again.artifact.id == fresh.artifact.id


async def test_the_ports_of_pages_are_closed_with_them(rig):
    async with rig.browsers.use() as running:
        before = len(rig.proxy._ports)
        await rig.render(html="<p>one", options={"javascript": True})
        assert len(rig.proxy._ports) == before
        await rig.render(html="<p>two")
        assert len(rig.proxy._ports) == before + 1, "the page of a tenant stays"
        running.kill()
    await rig.render(html="<p>three", options={"javascript": True})
    await eventually(lambda: len(rig.proxy._ports) == 2, what="the ports of the dead browser closed")


async def test_a_document_that_never_ends_times_out_and_the_next_one_renders(rig):
    rig.limit(render_s=1.0)
    with pytest.raises(TaskFault, match="not rendered within 1 s"):
        await rig.render(html="<script>for (;;) {}</script>", options={"javascript": True})
    rig.limit(pages_max=3)
    assert (await rig.render(html="next")).pages == 1


async def test_a_browser_is_replaced_after_its_jobs_without_failing_one(rig):
    rig.browsers._settings = msgspec.structs.replace(rig.browsers._settings, jobs_max=3)
    texts = await asyncio.gather(*(rig.text(html=f"job {number}") for number in range(8)))
    assert [f"job {number}" in text for number, text in enumerate(texts)] == [True] * 8
