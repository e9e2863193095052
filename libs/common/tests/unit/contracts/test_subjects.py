"""Whose a function is follows from the first word of its name."""

import pytest

from visapi_common.contracts import subjects


@pytest.mark.parametrize(
    ("function", "owner"),
    [
        ("notify.email", "_"),
        ("notify.a-channel-to-come", "_"),
        ("http.request", "_"),
        ("openapi.request", "_"),
        ("pdf.merge", "_"),
        ("acme.notify", "default"),
        ("notifications.send", "default"),
        ("pdfs.render", "default"),
    ],
)
def test_a_task_goes_to_the_built_in_workers_by_the_family_of_its_function(function: str, owner: str) -> None:
    assert subjects.owner_of("default", function) == owner
    assert subjects.task("default", function) == f"visapi.tasks.{owner}.{function}"


def test_the_families_of_the_engine_are_reserved_and_have_no_worker() -> None:
    assert set(subjects.BUILTIN_FAMILIES) < set(subjects.RESERVED_FAMILIES)
    assert {subjects.family_of(name) for name in ("human.approve", "flow.map")} == set(
        subjects.RESERVED_FAMILIES
    ) - set(subjects.BUILTIN_FAMILIES)
