"""How findings are shown."""

from rich.text import Text

from visapi.cli.output import as_json, console
from visapi.findings import Finding, Level

_STYLE = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def show(found: list[Finding], *, json: bool) -> None:
    """Print the findings, one line for each check."""
    if json:
        as_json(found)
        return
    width = max(len(each.what) for each in found)
    for each in found:
        level = (f"{each.level.value:4} ", _STYLE[each.level])
        console().print(Text.assemble(level, f" {each.what:{width}}  {each.detail}"))
