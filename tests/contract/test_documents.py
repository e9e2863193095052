"""Every link between the pages leads somewhere, every page is reached by links, and every `make` target exists."""

import re
from pathlib import Path

import pytest

from kit.makefiles import Targets

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
TARGET = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)\b(?=[`\s])")
CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path):
    broken: list[str] = []
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_exists(page: Path):
    known = Targets.read(ROOT).needs.keys()
    code = "\n".join(block or span for block, span in CODE.findall(page.read_text()))
    assert set(TARGET.findall(code + "\n")) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_named_in_code_exists(page: Path):
    code = "\n".join(block or span for block, span in CODE.findall(page.read_text()))
    named = re.findall(
        r"(?<![\w/.{<*~-])((?:libs|services|tests|tools|examples|docs|bench|requirements)/[\w./-]+)", code
    )
    assert [name for name in named if not (ROOT / name.rstrip(".")).exists()] == []


def linked_from(start: Path) -> set[Path]:
    """The pages that links lead to, however many it takes."""
    reached: set[Path] = set()
    ahead = [start]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        ahead += [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(page.read_text())]
    return reached


@pytest.mark.parametrize("start", ["README.md", "docs/README.md"])
def test_every_page_of_docs_is_reached_by_links(start: str):
    wanted = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert wanted - linked_from(ROOT / start) == set()


def test_no_two_pages_show_different_workflows_under_one_name_and_version():
    shown: dict[tuple[str, ...], set[str]] = {}
    for page in PAGES:
        for workflow in re.findall(r"```yaml[^\n]*\n(document:.*?)```", page.read_text(), re.DOTALL):
            parts = [
                re.search(rf"\b{part}: *([^\s,}}]+)", workflow) for part in ("namespace", "name", "version")
            ]
            named = tuple(part.group(1) for part in parts if part is not None)
            shown.setdefault(named, set()).add(workflow)
    assert {named: len(texts) for named, texts in shown.items() if len(texts) > 1} == {}
