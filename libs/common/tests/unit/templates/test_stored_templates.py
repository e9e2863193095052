"""Built-in workers resolve names of templates, keep contents by their hash, and say what is missing."""

import asyncio
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kit.template_shelf import PNG, TemplateShelf
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.contracts.templates import TemplateParts
from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault, UnknownFault
from visapi_common.core.template_names import fitting_locale, read_reference
from visapi_common.templates.stored import StoredTemplates

RUN = UUID("01930000-0000-7000-8000-000000000001")


class Place(TemplateShelf):
    async def open(self, reference: str, locale: str | None = None, kind: Any = "pdf") -> Any:
        task = TaskMessage(
            RUN, "/do/0/render", 1, "acme", "pdf.render", WorkflowRef("a", "b", "1.0.0"), "render",
            "/do/0/render", NULL, "", "t" * 64, "",
        )  # fmt: skip
        return await self.templates.open(task, reference, locale, kind)

    async def pages(self, version: int, **html: str) -> None:
        await self.store(version, **{locale: TemplateParts(html=text) for locale, text in html.items()})


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    made = Place(tmp_path, "acme")
    await made.pages(1, en="first", de="erste")
    return made


async def test_a_name_means_the_newest_version_within_five_seconds(place: Place):
    first = await place.open("welcome", "de-AT")
    assert (first.parts.html, first.used.version, first.used.locale) == ("erste", 1, "de")
    assert first.assets["logo.png"].data == PNG
    await place.pages(2, en="second")
    assert (await place.open("welcome")).used.version == 1
    place.now = 5.0
    assert (await place.open("welcome")).parts.html == "second"
    assert (await place.open("welcome@1")).parts.html == "first"
    assert [(one.name, one.version, one.token) for one in place.asked] == [
        ("welcome", None, "t" * 64), ("welcome", None, "t" * 64), ("welcome", 1, "t" * 64)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "kind", "words"),
    [("welcome@7", "pdf", "no version 7; the newest is 1"), ("welcome", "email", "is of kind pdf")],
)
async def test_what_a_tenant_does_not_have_is_the_definitions_mistake(
    place: Place, reference: str, kind: str, words: str
):
    with pytest.raises(ProblemError, match=words) as raised:
        await place.open(reference, kind=kind)
    assert (raised.value.code, raised.value.status) == ("template_unknown", 422)
    place.versions.clear()
    with pytest.raises(ProblemError, match="PUT /v1/templates/other"):
        await place.open("other")


async def test_that_there_is_no_template_is_asked_again_by_the_next_task(place: Place):
    with pytest.raises(ProblemError):
        await place.open("welcome@2")
    await place.pages(2, en="second")
    assert (await place.open("welcome@2")).parts.html == "second"


@pytest.mark.parametrize("failure", [TransientFault("nobody serves it"), UnknownFault("no answer")])
async def test_an_orchestrator_that_does_not_answer_is_asked_by_a_later_attempt(
    place: Place, failure: Exception
):
    place.failure = failure
    with pytest.raises(TransientFault):
        await place.open("welcome")
    place.failure = None
    assert (await place.open("welcome")).used.version == 1


async def test_lost_or_damaged_contents_are_never_rendered(place: Place, tmp_path: Path):
    lost = place.versions[1]
    stored = tmp_path / "templates/acme" / lost
    stored.write_bytes(stored.read_bytes().replace(b"first", b"other"))
    with pytest.raises(PermanentFault, match="damaged"):
        await place.open("welcome")
    stored.unlink()
    with pytest.raises(PermanentFault, match="store it again"):
        await place.open("welcome")


class CountedContents:
    """The artifact store of a place: counts what is read, and fails the first `failures` times."""

    def __init__(self, place: Place, failures: int = 0) -> None:
        self.reads: Counter[str] = Counter()
        self._failures = failures
        self._contents = place.contents
        place.templates = StoredTemplates(place, self, lambda: place.now)

    async def get(self, tenant: str, digest: str) -> bytes:
        self.reads[digest] += 1
        if self.reads.total() <= self._failures:
            raise TransientFault("the store is away")
        return await self._contents.get(tenant, digest)


async def test_many_tasks_at_once_read_the_contents_of_a_template_once(place: Place):
    contents = CountedContents(place, failures=1)
    failed = await asyncio.gather(*(place.open("welcome") for _ in range(9)), return_exceptions=True)
    assert {type(each) for each in failed} == {TransientFault}
    tasks = [asyncio.create_task(place.open("welcome")) for _ in range(50)]
    while contents.reads[place.versions[1]] < 2:
        await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    assert {task.result().parts.html for task in tasks[1:]} == {"first"}
    assert sorted(contents.reads.values()) == [1, 2], "the asset once, the manifest once more after a failure"


async def test_a_template_with_much_test_data_is_kept_without_the_test_data(place: Place):
    place.test_data = b"[" + b"{}," * 1_000_000 + b"{}]"
    await place.pages(2, en="second")
    tracemalloc.start()
    try:
        opened = await place.open("welcome")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert opened.parts.html == "second"
    assert kept < len(place.test_data) // 10


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(None, "en"), ("de-AT", "de"), ("DE", "de"), ("de-CH-1996", "de-CH"), ("fr", "en"), ("", "en")],
)
def test_a_locale_falls_back_to_its_language_and_then_to_the_default(wanted: str | None, chosen: str):
    assert fitting_locale(["en", "de", "de-CH"], "en", wanted) == chosen


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("welcome", ("welcome", None)),
        ("a-b-1@12", ("a-b-1", 12)),
        ("welcome@0", None),
        ("<p>welcome</p>", None),
        ("Welcome", None),
        ("welcome@", None),
        ("welcome\n", None),
    ],
)
def test_a_reference_is_a_name_and_perhaps_a_version(text: str, read: tuple[str, int | None] | None):
    assert read_reference(text) == read
