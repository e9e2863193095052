"""`visapi up`, `down`, `status`: the embedded stack."""

import asyncio
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.text import Text

from visapi.admin.databases import OWNER
from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir
from visapi.cli.foreground import run_stack
from visapi.cli.output import USAGE, as_json, console, done, fail, say, status_text
from visapi.cli.tables import Table
from visapi.stack.child import ProcessView
from visapi.stack.data_directory import DataDamagedError, DataDirectory, StackState
from visapi.stack.embedded import StackOptions
from visapi.stack.inbox import Inbox
from visapi.stack.ports import LOOPBACK
from visapi.stack.processes import ProcessSpec

_DOWN_S = 60.0
_POLL_S = 0.1


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="The gateway's port; the default is the last used one, at first 8080."
        ),
    ] = None,
    inbox: Annotated[
        bool, typer.Option("--inbox", help="Keep all mails instead of sending them; see `visapi inbox`.")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="A file (JSON, mode 0600) that is written when everything answers.")
    ] = None,
) -> None:
    """Start the whole stack in the foreground; Ctrl-C stops it, the data stays.

    Settings of the services are taken from the environment: VISAPI_SMTP_URL, VISAPI_EGRESS_ALLOW,
    VISAPI_EGRESS_ORIGINS, VISAPI_OTLP_ENDPOINT, VISAPI_TRACE_SAMPLE, VISAPI_LOG_LEVEL and others.
    """
    environ = dict(os.environ)
    extras: list[ProcessSpec] = []
    if inbox:
        if environ.get("VISAPI_SMTP_URL") or environ.get("VISAPI_SMTP_URL_FILE"):
            fail("VISAPI_SMTP_URL names a mail relay, and --inbox is one; leave one of them out", code=USAGE)
        data = DataDirectory(data_dir)
        kept = Inbox(data.root, data.mail)
        environ |= kept.environment()
        extras.append(kept.spec())
    options = StackOptions(data_dir=data_dir, port=port, ready_file=ready_file, environ=environ)
    raise typer.Exit(asyncio.run(run_stack(options, extras)))


def env(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    owner: Annotated[
        bool,
        typer.Option("--owner", help="Print what `visapi admin` needs, too: the owner's URL, the pepper."),
    ] = False,
) -> None:
    """Print the shell's settings for the stack that runs here: eval "$(visapi env)".

    VISAPI_URL and VISAPI_API_KEY (the first key, which may do everything) for `curl` and this command line,
    VISAPI_NATS_URL for own workers.
    """
    data = DataDirectory(data_dir)
    try:
        state = data.state()
    except DataDamagedError as error:
        fail(str(error))
    key = data.api_key()
    if state is None or key is None:
        fail(f"no stack runs on {data.root}", hint="Start it with `visapi up`.")
    settings = {"VISAPI_URL": state.gateway, "VISAPI_API_KEY": key, "VISAPI_NATS_URL": state.nats}
    if owner:
        settings["VISAPI_OWNER_URL"] = _owner_url(data, state)
        settings["VISAPI_KEY_PEPPER"] = data.secrets().key_pepper
    for name, value in settings.items():
        console().print(f"export {name}={shlex.quote(value)}")


def _owner_url(data: DataDirectory, state: StackState) -> str:
    port = next(each.ports["postgres"] for each in state.processes if each.name == "postgres")
    return f"postgresql://{OWNER}:{data.secrets().postgres[OWNER]}@{LOOPBACK}:{port}/visapi"


def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop the stack of a data directory, and wait until all of its processes have ended."""
    data = DataDirectory(data_dir)
    holder = data.holder()
    if holder is None:
        say(f"no stack runs on {data.root}")
        return
    try:
        os.kill(holder, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        fail(f"process {holder} belongs to another user; ask them to stop it")
    deadline = time.monotonic() + _DOWN_S
    while data.holder() is not None:
        if time.monotonic() > deadline:
            fail(
                f"process {holder} did not stop in {_DOWN_S:.0f} s",
                hint=f"Its logs are in {data.root / 'logs'}.",
            )
        time.sleep(_POLL_S)
    done(f"stopped; the data stays in {data.root}")


def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every process of the stack. Exit code 1 when no stack runs."""
    data = DataDirectory(data_dir)
    try:
        state = data.state()
    except DataDamagedError as error:
        fail(str(error))
    if json:
        as_json({"processes": state.processes if state else []})
    elif state is None:
        say(f"no stack runs on {data.root}; start it with `visapi up`")
    else:
        _show(state)
    raise typer.Exit(0 if state else 1)


def _show(state: StackState) -> None:
    say(f"{state.gateway}  (visapi up is process {state.supervisor})")
    shown = Table("process", "pid", "state", "restarts", "memory", "ports", elastic=("ports",))
    for process in state.processes:
        ports = "  ".join(f"{name} {port}" for name, port in process.ports.items())
        shown.add_row(
            process.name,
            str(process.pid or "-"),
            _state(process),
            str(process.restarts),
            _memory(process.pid),
            ports,
        )
    shown.show()


def _state(process: ProcessView) -> Text:
    shown = status_text(process.state)
    return Text.assemble(shown, f" ({process.detail})") if process.detail else shown


def _memory(pid: int | None) -> str:
    """Proportional memory of a process and its children, where the system reports it."""
    if pid is None:
        return "-"
    try:
        root = psutil.Process(pid)
        total = sum(_proportional(process) for process in (root, *root.children(recursive=True)))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return "-"
    return f"{total / 1024 / 1024:.0f} MB"


def _proportional(process: psutil.Process) -> int:
    info = process.memory_full_info()
    return int(getattr(info, "pss", info.uss))
