"""Shows the progress of a run: a live table on a terminal, plain lines elsewhere."""

from datetime import UTC, datetime
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from visapi.demo.progress import ENDED, Progress, TaskProgress
from visapi_common.contracts.runs import HistoryItem

_MARKS = {
    "completed": ("✓", "green"),
    "faulted": ("✗", "red"),
    "cancelled": ("⊘", "yellow"),
    "skipped": ("↷", "dim"),
    "retrying": ("↻", "yellow"),
    "waiting": ("·", "dim"),
}


class Display:
    """Use it as a context manager while items come in."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self.progress = Progress()
        self._live = (
            Live(console=out, refresh_per_second=12, get_renderable=self._table) if out.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def take(self, item: HistoryItem) -> None:
        step = self.progress.take(item)
        if self._live is None and step is not None:
            self._out.print(_line(item, step))

    def _table(self) -> RenderableType:
        now = datetime.now(UTC)
        shown = Table.grid(padding=(0, 2, 0, 0))
        for step in self.progress.steps():
            shown.add_row(*_row(step, now))
        return shown


def _row(step: TaskProgress, now: datetime) -> tuple[RenderableType, Text, Text, Text]:
    mark: RenderableType = Spinner("dots", style="cyan")
    if step.state in _MARKS:
        sign, style = _MARKS[step.state]
        mark = Text(sign, style)
    return mark, Text("  " * step.depth + step.name), duration(step, now), remark(step)


def duration(step: TaskProgress, now: datetime) -> Text:
    seconds = step.seconds(now)
    return Text("" if seconds is None else f"{seconds:6.2f} s", "dim" if step.state in ENDED else "cyan")


def remark(step: TaskProgress) -> Text:
    if step.state == "completed" and not step.retries:
        return Text("")
    tries = step.retries + (step.state in ENDED)
    tried = f"tried {tries} time{'s' if tries > 1 else ''}" if step.retries else ""
    state = "" if step.state == "completed" else step.state
    return Text(", ".join(part for part in (state, tried) if part), "yellow" if step.retries else "dim")


def _line(item: HistoryItem, step: TaskProgress) -> Text:
    moment = f"{item.time:%H:%M:%S.%f}"[:-3]
    return Text.assemble((moment, "dim"), f"  {item.type:<16}", "  " * step.depth, step.name)
