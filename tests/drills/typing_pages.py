"""Types one section of a page of operations into a shell, beside whatever is wrong with the stack just now."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from kit.pages import Block, Page, difference, read_page, script_of, section_of
from visapi.stack import postgres_binaries

_ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = _ROOT / "docs/operations/runbooks.md"
PROCEDURES = _ROOT / "docs/operations/procedures.md"
_BIN = Path(sys.executable).parent


class Typist:
    """Works in `folder`, on the stack of `data`, from a page."""

    def __init__(self, folder: Path, data: Path, page: Path = RUNBOOKS) -> None:
        self._folder = folder
        self._data = data
        self._source = page.read_text(encoding="utf-8")
        self.environ: dict[str, str] = {}
        """What the operator's shell has set beside the settings of the stack."""

    def prepare(self) -> None:
        """The blocks before the first section, on the healthy stack."""
        page = read_page(self._source.split("\n## ", 1)[0])
        findings = self._typed("before", page, limit_s=60)
        assert findings == [], findings

    def section(self, title: str, *, limit_s: float) -> list[str]:
        """Everything of the section; what went otherwise than the page says."""
        return self._typed(title, self._page(title), limit_s=limit_s)

    def healed(self, title: str, *, within_s: float) -> bool:
        """Whether the last block of the section, its check, succeeds."""
        page = self._page(title)
        page.blocks[1:] = page.blocks[-1:]
        return self._typed(f"{title}-check", page, limit_s=within_s) == []

    def waits_for_its_check(self, title: str) -> bool:
        """Whether everything of the section was typed but its check, which is typed now."""
        reached = self._folder / title / "block"
        return reached.exists() and reached.read_text("utf-8").strip() == str(
            len(self._page(title).blocks) - 1
        )

    def _page(self, title: str) -> Page:
        page = read_page(section_of(self._source, title))
        assert page.mistakes == []
        assert page.blocks[-1].for_faults, f"{title} does not end with a check"
        page.blocks.insert(0, Block(0, "sh", "", 'eval "$(visapi env --owner)"\n'))
        return page

    def _typed(self, name: str, page: Page, *, limit_s: float) -> list[str]:
        place = self._folder / name
        (place / "out").mkdir(parents=True)
        (place / "examples").symlink_to(_ROOT / "examples")
        for leaked in self._folder.glob("*.key"):
            (place / leaked.name).write_bytes(leaked.read_bytes())
        environ = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
        path = f"{_BIN}:{postgres_binaries.packaged()}:{environ['PATH']}"
        process = subprocess.Popen(
            ["bash", "-c", script_of(page, beside_a_fault=True)],
            cwd=place,
            env={**environ, **self.environ, "PATH": path, "VISAPI_DATA_DIR": str(self._data)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # What the page has started beside what follows ends with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return _findings(page, place, code)


def _findings(page: Page, place: Path, code: int | None) -> list[str]:
    reached = (place / "block").read_text(encoding="utf-8").strip()
    found: list[str] = []
    if code != 0:
        how = "did not end" if code is None else f"ended with {code}"
        block = page.blocks[int(reached)] if reached.isdecimal() else page.blocks[-1]
        found.append(f"{how}:\n{block.text}\n{_printed(place, reached)}")
    for number, block in enumerate(page.blocks):
        if block.output is not None and (place / "out" / str(number)).exists():
            wrong = difference(block.output, _printed(place, str(number)))
            if wrong is not None:
                found.append(wrong)
    return found


def _printed(place: Path, number: str) -> str:
    path = place / "out" / number
    return re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(encoding="utf-8")) if path.exists() else ""
