"""`visapi simulate`: a definition carried out in virtual time, without a server and without the world."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from visapi.cli.output import FAILURE, USAGE, as_json, console, fail, mistakes, say, status_text, table
from visapi.cli.workflow_commands import File, compiled
from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.simulation import Decision, Given, Simulation
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulating import simulated
from visapi_engine.simulation.answers import check_answers

_WHY = {
    "missing": "it stops where an answer is missing; give it with --given",
    "listening": "it waits for events; give them with --events",
    "held": "it waits for a decision about an uncertain effect",
    "suspended": "it is suspended",
    "limit": "it was ended after 10,000 transitions; does it loop?",
}
_STYLE = {"completed": "green", "faulted": "red", "cancelled": "yellow", "skipped": "dim", "held": "yellow"}


def simulate(
    file: File,
    *,
    body: Annotated[
        Path | None, typer.Option("--input", "-i", allow_dash=True, help="A JSON file, or - for stdin.")
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option("--given", "-g", help="A JSON file: an answer for each task, by its name or pointer."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", "-e", help="A JSON file: an array of CloudEvents.")
    ] = None,
    now: Annotated[datetime | None, typer.Option(help="When it begins (UTC); otherwise now.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Carry out a definition in virtual time with given answers; nothing is called, nothing is stored."""
    program = compiled(file)
    answers: dict[str, Given | list[Given]] = _read(given, "--given", dict[str, Given | list[Given]], {})
    wrong = check_answers(program.program, answers)
    if wrong:
        mistakes(wrong)
        fail(f"{given} does not fit {file}", code=USAGE)
    heard: list[dict[str, Any]] = _read(events, "--events", list[dict[str, Any]], [])
    begins = (now or datetime.now(UTC)).replace(tzinfo=UTC)
    answer = simulated(
        Simulate(
            body=program.body,
            input=msgspec.json.encode(_read(body, "--input", Any, None)),
            given=answers,
            events=[msgspec.json.encode(event) for event in heard],
            now_ms=round(begins.timestamp() * 1000),
        )
    )
    done = msgspec.json.decode(answer, type=Simulation)
    if json:
        as_json(done)
    else:
        _show(done)
    if done.status is not RunStatus.COMPLETED:
        raise typer.Exit(FAILURE)


def _read(path: Path | None, option: str, kind: Any, otherwise: Any) -> Any:
    if path is None:
        return otherwise
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return msgspec.json.decode(body, type=kind)
    except OSError as error:
        fail(f"{option} {path} cannot be read: {error.strerror}", code=USAGE)
    except msgspec.DecodeError as error:
        fail(f"{option} {path} is wrong: {error}", code=USAGE)


def _show(done: Simulation) -> None:
    shown = table("after", "task", "decision", "")
    for decision in done.decisions:
        shown.add_row(*_row(decision))
    console().print(shown)
    for missing in done.missing:
        arguments = msgspec.json.encode(missing.arguments).decode()
        say(f"no answer for {missing.name} ({missing.pointer}): {missing.function} {arguments[:400]}")
    for pointer in done.unused:
        say(f"nobody asked for {pointer}")
    for event in done.emitted:
        console().print(f"emitted {msgspec.json.encode(event).decode()}")
    console().print(Text.assemble("status ", status_text(done.status)))
    if done.stopped is not None:
        say(_WHY[done.stopped])
    elif done.error is not None:
        console().print(f"error {msgspec.json.encode(done.error).decode()}")
    else:
        console().print(f"output {msgspec.json.encode(done.output).decode()}")


def _row(decision: Decision) -> tuple[str, Text, Text, str]:
    seconds = f"{decision.after_ms / 1000:.3f} s"
    word = Text(decision.what, style=_STYLE.get(decision.what, ""))
    return seconds, Text(decision.name), word, decision.detail or ""
