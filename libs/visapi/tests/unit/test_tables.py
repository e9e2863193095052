"""Tables of the command line: nothing is folded, whatever the width."""

import io

from rich.console import Console
from rich.text import Text

from visapi.cli.tables import Table

RUN = "01994b62-3f6e-7abc-9def-0123456789ab"


def shown(table: Table, *, terminal: bool, width: int = 80) -> list[str]:
    out = io.StringIO()
    table.show(Console(file=out, force_terminal=terminal, width=width, soft_wrap=True, color_system=None))
    return out.getvalue().splitlines()


def runs(workflow: str) -> Table:
    table = Table("run", "workflow", "status", "created", elastic=("workflow",))
    table.add_row(RUN, workflow, "completed", "2026-11-29 03:00:00")
    return table


def test_in_a_pipe_every_row_is_one_whole_line():
    heading, row = shown(runs("howto/" + "w" * 200 + " 1.0.0"), terminal=False)
    assert heading.split() == ["RUN", "WORKFLOW", "STATUS", "CREATED"]
    assert row.split()[0] == RUN
    assert "w" * 200 in row
    assert row.endswith("2026-11-29 03:00:00")


def test_on_a_narrow_terminal_a_row_fits_and_its_id_is_whole():
    _, row = shown(runs("howto/a-workflow-with-a-long-name 1.0.0"), terminal=True)
    assert len(row) <= 80
    assert row.startswith(RUN)
    assert "…" in row


def test_columns_begin_at_the_same_place_in_every_row():
    table = runs("a/b 1.0.0")
    table.add_row(RUN, "a/longer 1.0.0", Text("waiting"), "2026-11-29 03:00:01")
    heading, first, second = shown(table, terminal=False)
    assert heading.index("CREATED") == first.index("2026") == second.index("2026")


def test_line_breaks_and_brackets_of_a_cell_are_shown_as_text():
    table = Table("title", "state")
    table.add_row("Refund [bold]100[/bold]\nnow?", "open")
    assert shown(table, terminal=False)[1] == "Refund [bold]100[/bold] now?  open"
