"""`visapi simulate`: a definition carried out in virtual time, without a server and without the world."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from visapi.cli.output import FAILURE, USAGE, as_json, console, fail, mistakes, say, status_text
from visapi.cli.tables import Table
from visapi.cli.workflow_commands import File, compiled
from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.simulation import SimulateWorkflow, Simulation, TaskDecision
from visapi_common.core.errors import TransientFault
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulator import SimulationLost, Simulator
from visapi_engine.simulation.request import RequestInvalid, read_request
from visapi_engine.source.findings import DefinitionInvalid
from visapi_engine.source.reading import read_source

_WHY = {
    "missing": "it stops where an answer is missing; give it with --given",
    "listening": "it waits for events; give them with --events",
    "held": "it waits for a decision about an uncertain effect",
    "limit": "it was ended after 10,000 transitions; does it loop?",
}
_STYLE = {"completed": "green", "faulted": "red", "cancelled": "yellow", "skipped": "dim", "held": "yellow"}


def simulate(
    file: File,
    *,
    body: Annotated[
        Path | None, typer.Option("--input", "-i", help="A JSON or YAML file, or - for JSON from stdin.")
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--given", "-g", help="A JSON or YAML file with an answer for each call, by name or pointer."
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", "-e", help="A JSON or YAML file with a list of CloudEvents, in order."),
    ] = None,
    now: Annotated[datetime | None, typer.Option(help="The start time in UTC; the default is now.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Simulate a definition in virtual time with given answers; nothing is called, nothing is stored."""
    program = compiled(file)
    asked = {
        "workflow": None,
        "input": _read(body, "--input", None),
        "given": _read(given, "--given", {}),
        "events": _read(events, "--events", []),
    }
    begins = datetime.now(UTC) if now is None else now.replace(tzinfo=UTC)
    try:
        wanted = read_request(program.program, msgspec.convert(asked, SimulateWorkflow), begins)
        done = asyncio.run(_simulated(Simulate(program.body, wanted)))
    except msgspec.ValidationError as wrong:
        fail(f"the given answers have the wrong shape: {wrong}", code=USAGE)
    except RequestInvalid as wrong:
        mistakes(wrong.mistakes)
        fail(f"the given answers do not match the definition {file}", code=USAGE)
    except (SimulationLost, TransientFault) as ended:
        fail(f"the simulation was ended: {ended}")
    if json:
        as_json(done)
    else:
        _show(done)
    if done.status is not RunStatus.COMPLETED:
        raise typer.Exit(FAILURE)


async def _simulated(wanted: Simulate) -> Simulation:
    """In an engine process, so that an expression that never ends is ended here too."""
    simulator = Simulator()
    try:
        return msgspec.json.decode(await simulator(wanted), type=Simulation)
    finally:
        await simulator.close()


def _read(path: Path | None, option: str, otherwise: Any) -> Any:
    if path is None:
        return otherwise
    media_type = "application/yaml" if path.suffix in (".yaml", ".yml") else "application/json"
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return read_source(body, media_type)
    except OSError as error:
        fail(f"{option} {path} cannot be read: {error.strerror}", code=USAGE)
    except DefinitionInvalid as unreadable:
        mistakes(unreadable.errors)
        fail(f"{option} {path} cannot be read", code=USAGE)


def _show(done: Simulation) -> None:
    shown = Table("after", "task", "decision", "")
    for decision in done.decisions:
        shown.add_row(*_row(decision))
    shown.show()
    for event in done.emitted:
        console().print(Text(f"emitted {_json(event)}"))
    for missing in done.missing:
        say(f"no answer for {missing.name}: {missing.function} {_json(missing.arguments)[:400]}")
        say(f"  {missing.give}")
    for pointer in done.unused:
        say(f"no task asked for {pointer}")
    console().print(Text.assemble("status ", status_text(done.status)))
    if done.stopped is not None:
        say(_WHY[done.stopped])
    elif done.error is not None:
        console().print(Text(f"error {_json(done.error)}"))
    else:
        console().print(Text(f"output {_json(done.output)}"))


def _row(decision: TaskDecision) -> tuple[str, Text, Text, Text]:
    seconds = f"{decision.after_ms / 1000:.3f} s"
    word = Text(decision.what, style=_STYLE.get(decision.what, ""))
    return seconds, Text(decision.name), word, Text(decision.detail or "")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
