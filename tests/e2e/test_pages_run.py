"""Every block of every page runs as written, in order, on a fresh stack, and prints what the page shows.

A page that asks no stack has none. Pages run two at a time; docs/README.md says what a block's first line means.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.pages import Page, difference, read_page, script_of
from kit.stack import StackProcess

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
}
PAGES = {name: read_page(source) for name, source in SOURCES.items() if "```" in source}
RUNNING = [name for name, page in PAGES.items() if page.runs]
_AT_ONCE = 2
_PAGE_S = 150


@pytest.mark.parametrize("name", PAGES)
def test_every_block_says_how_it_runs_or_why_it_does_not(name: str):
    assert PAGES[name].mistakes == []


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[str]]]]:
    """Each chosen page, under way; what is wrong with a page is its result."""
    asked = {item.name for item in request.session.items}
    chosen = [name for name in RUNNING if f"test_a_page_does_what_it_says[{name}]" in asked]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield {name: pool.submit(_run, PAGES[name]) for name in chosen}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RUNNING)
def test_a_page_does_what_it_says(name: str, outcomes: dict[str, Future[list[str]]]):
    findings = outcomes[name].result()
    assert not findings, "\n\n".join(findings)


def _run(page: Page) -> list[str]:
    folder = Path(tempfile.mkdtemp(prefix="visapi-test-page-"))
    folder.chmod(0o711)
    stack = StackProcess(folder=folder, options=["--inbox"])
    try:
        if page.needs_a_stack and not page.starts_a_stack:
            stack.start()
        return _follow(page, folder)
    finally:
        stack.close()


def _follow(page: Page, folder: Path) -> list[str]:
    (folder / "out").mkdir()
    shutil.copytree(ROOT / "examples", folder / "examples")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
    environ |= {"PATH": f"{BIN}:{environ['PATH']}", "VISAPI_DATA_DIR": str(folder / "data")}
    process = subprocess.Popen(
        ["bash", "-c", script_of(page)], cwd=folder, env=environ, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = process.wait(_PAGE_S)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end(process)
        subprocess.run([BIN / "visapi", "down"], env=environ, check=False, capture_output=True, timeout=60)
    return _findings(page, folder, code)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The script and what it runs in the background; `visapi up` is asked to stop by `visapi down`."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    process.wait(30)


def _findings(page: Page, folder: Path, code: int | None) -> list[str]:
    reached = (folder / "block").read_text().strip()
    found: list[str] = []
    if code != 0:
        block = page.blocks[int(reached)] if reached.isdecimal() else page.blocks[-1]
        how = "did not end" if code is None else f"ended with {code}"
        found.append(f"line {block.line} {how}:\n{block.text}\n{_printed(folder, int(reached))}")
    for number, block in enumerate(page.blocks):
        if block.output is not None and (folder / "out" / str(number)).exists():
            wrong = difference(block.output, _printed(folder, number))
            if wrong is not None:
                found.append(f"line {block.line}: {wrong}")
    return found


def _printed(folder: Path, number: int) -> str:
    path = folder / "out" / str(number)
    return re.sub(r"\x1b\[[0-9;]*m", "", path.read_text()) if path.exists() else ""
