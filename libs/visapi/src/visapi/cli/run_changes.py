"""`visapi run follow`: the changes of all runs, or of the runs of a workflow, as they happen."""

from typing import Annotated

import typer
from rich.text import Text

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_item, console, say
from visapi.client.all_runs import AllRuns, Missed
from visapi_common.contracts.runs import RunChange, RunChangeType


def follow(
    workflow: Annotated[
        str | None, typer.Argument(help="namespace/name, or namespace; the default is all runs.")
    ] = None,
    *,
    type_: Annotated[
        list[RunChangeType] | None, typer.Option("--type", help="Only changes of this type; may be repeated.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many changes.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each change.")] = False,
) -> None:
    """Print each change of the state of a run from now on, until Ctrl-C.

    Connections that break are made again, and go on with the next change.
    """
    seen = 0
    with connected(url, data_dir) as client:
        for change in client.follow_all(AllRuns(workflow, [each.value for each in type_ or ()])):
            if isinstance(change, Missed):
                say("changes were missed here; `visapi run list` shows the runs as they are")
                continue
            if json:
                as_item(change)
            else:
                console().print(_line(change))
            seen += 1
            if seen == count:
                return


def _line(change: RunChange) -> Text:
    workflow = change.workflow
    text = f"{change.time:%H:%M:%S.%f}"[:-3] + f"  {change.type:<20}  {workflow.namespace}/{workflow.name}"
    return Text(f"{text}  {change.run}" + ("  test" if change.test else ""))
