"""Every problem has a page of its own, in the gateway and in the documentation."""

import re

from visapi_gateway.kernel.api.openapi import problem_codes
from visapi_gateway.kernel.api.problem_pages import build_problem_pages
from visapi_gateway.kernel.problem_guidance import guidance
from visapi_gateway.kernel.problems import KINDS, path_of, type_of
from visapi_gateway.slices import operations

PAGES = {path: page.decode() for path, page in build_problem_pages(operations()).items()}


def test_the_type_of_a_problem_ends_in_the_path_of_its_page() -> None:
    assert set(PAGES) == {"/problems", *map(path_of, KINDS)}
    assert all(type_of(code) == f"https://visapi.dev{path_of(code)}" for code in KINDS)


def test_a_page_says_what_the_problem_is_and_what_to_do() -> None:
    for code, kind in KINDS.items():
        page = PAGES[path_of(code)]
        assert kind.title.replace("'", "&#x27;") in page
        assert f"<code>{code}</code> · status {kind.status}" in page
        assert "<h2>What to do</h2><p>" in page
        assert "`" not in page, code


def test_a_page_names_the_operations_that_answer_with_the_problem() -> None:
    page = PAGES[path_of("run_not_faulted")]
    assert set(re.findall(r'href="/docs#(\w+)"', page)) == {
        each.name for each in operations() if "run_not_faulted" in problem_codes(each)
    }
    assert "Any operation" in PAGES[path_of("internal_error")]


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    for page in PAGES.values():
        assert not re.search(r"<script|<link|<img|src=|http://", page)


def test_problems_that_may_be_sent_again_say_so() -> None:
    for code, kind in KINDS.items():
        if kind.status in {429, 503} and code != "outcome_unknown":
            assert "Retry-After" in guidance(code) or code in {"run_quota_exceeded", "too_many_open_runs"}


def test_the_index_links_every_page() -> None:
    assert set(re.findall(r'href="(/problems/[a-z-]+)"', PAGES["/problems"])) == set(map(path_of, KINDS))
