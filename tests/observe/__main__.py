"""`python -m observe`: ask every panel of every dashboard on a stack under load, and draw what they answer.

    PYTHONPATH=tests python -m observe [--pictures FOLDER]

The exit code is 0 when every query of every panel answered with data, no two lines of a panel have one name, every rule was
evaluated without an error, and promtool finds nothing to mend on any page of metrics.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alerts.opening import opened
from observe.boards import BOARDS, Panel, answered, confused, read
from observe.findings import wrong_pages, wrong_rules
from observe.happenings import happen
from observe.pictures import page, picture
from visapi_pdf_worker.browser import chromium

SCRAPES_S = 45.0
"""Until what happened last was scraped and several rates are known."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="observe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path)
    pictures: Path = parser.parse_args().pictures or Path(tempfile.mkdtemp(prefix="visapi-dashboards-"))
    console = Console(width=150)
    with opened() as place:
        for name in happen(place.ground):
            console.print(f"happened: {name}")
        time.sleep(SCRAPES_S)
        now = time.time()
        boards = {path.stem: list(answered(place.watching.near.url, path, now)) for path in BOARDS}
        rules = wrong_rules(place.watching)
        pages = wrong_pages(place.ground)
        _draw(boards, now, pictures, console)
    panels = [panel for board in boards.values() for panel in board]
    _show(panels, console)
    for finding in (*rules, *pages):
        console.print(finding, markup=False)
    empty = [panel for panel in panels if panel.empty]
    unclear = [panel for panel in panels if confused(panel)]
    console.print(
        f"{len(panels)} panels, {sum(len(panel.queries) for panel in panels)} queries: {len(empty)} panels without data, "
        f"{len(unclear)} with lines of one name; {len(rules)} rules with errors; {len(pages)} pages of metrics to mend"
    )
    console.print(f"pictures: {pictures}")
    return 1 if empty or unclear or rules or pages else 0


def _show(panels: list[Panel], console: Console) -> None:
    table = Table("dashboard", "panel", "lines", "without data", "of one name", title="Dashboards")
    for panel in panels:
        table.add_row(
            panel.board,
            panel.title,
            str(len(panel.lines)),
            "\n".join(panel.empty),
            ", ".join(confused(panel)),
        )
    console.print(table)


def _draw(boards: dict[str, list[Panel]], now: float, folder: Path, console: Console) -> None:
    browser = Path(chromium.find(os.environ.get("VISAPI_CHROMIUM", ""), ""))
    folder.mkdir(parents=True, exist_ok=True)
    for path in BOARDS:
        html = folder / f"{path.stem}.html"
        html.write_text(page(read(path)[0], boards[path.stem], now), encoding="utf-8")
        console.print(f"drawn: {picture(browser, html, boards[path.stem])}")


if __name__ == "__main__":
    sys.exit(main())
