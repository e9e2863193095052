"""`tools/check_shape.py` refuses retired words in SQL, shell and the code of pages, and nowhere else. It refuses
citations of a page that is not in the repository everywhere, and tests that write tables by SQL of their own.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "check_shape.py"


@pytest.fixture(scope="module")
def shape() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_shape", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFUSED = {
    "a column in SQL": ("services/orchestrator/src/a.sql", "select 1;\nselect flow_turns from x", 2),
    "a word of one folder in its SQL": ("services/orchestrator/src/a.sql", "select doomed from x", 1),
    "a variable in shell": (".ci/a.sh", "echo $flow_turns", 1),
    "a code span of a page": ("docs/a.md", "Text.\n\nSee `flow_turns`.", 3),
    "a code block of a page": ("docs/a.md", "```sh\necho flow_turns\n```", 2),
    "a class in a page": ("docs/a.md", "`TurnQueue`", 1),
}
ALLOWED = {
    "a comment in SQL": ("services/orchestrator/src/a.sql", "select 1 -- once named flow_turns"),
    "another folder's word": ("services/gateway/src/a.sql", "select doomed from x"),
    "a comment in shell": (".ci/a.sh", "echo 1 # flow_turns"),
    "prose": ("docs/a.md", "Flow turns, `other` and flow_turns."),
    "an ordinary word in code": ("docs/a.md", "`letter`"),
    "the changelog": ("CHANGELOG.md", "`flow_turns` is now `rate_reservations`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_retired_word_is_refused(shape: ModuleType, case: str) -> None:
    path, text, line = REFUSED[case]
    (found,) = shape.retired_in_text(path, text)
    assert (found.line, found.rule) == (line, "retired-word")


@pytest.mark.parametrize("case", ALLOWED)
def test_other_text_is_not(shape: ModuleType, case: str) -> None:
    assert list(shape.retired_in_text(*ALLOWED[case])) == []


def test_a_citation_of_a_page_that_is_not_here_is_refused(shape: ModuleType) -> None:
    page = "design".upper()
    (found,) = shape.absent_page("libs/a.py", f'"""Keys."""\n# Counted in PostgreSQL ({page} 3.7).')
    assert (found.line, found.rule) == (2, "absent-page")
    assert list(shape.absent_page("libs/a.py", "# The design of a page.")) == []


def test_a_new_test_that_writes_a_table_by_sql_of_its_own_is_refused(shape: ModuleType):
    source = 'INSERT = "{} into inbox (run, key) values ($1, $2)"\n'.format("insert")
    (finding,) = shape.check(Path("tests/e2e/test_new.py"), source)
    assert (finding.rule, finding.line) == ("raw-write", 1)
    assert list(shape.check(Path("tests/kit/new.py"), source)) == []
