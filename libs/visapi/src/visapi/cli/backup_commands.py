"""`visapi backup`: copies of the embedded stack's database, its log, and the way back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from visapi.cli.admin_restored import (
    Accepted,
    Hold,
    Json,
    Report,
    artifact_store,
    asked_about,
    examine,
    show_report,
)
from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir
from visapi.cli.output import FAILURE, USAGE, done, errors, fail
from visapi.stack import postgres
from visapi.stack.accounts import AccountMissingError
from visapi.stack.backups import BackupFolder, Source, Target
from visapi.stack.data_directory import DataDamagedError, DataDirectory, DataInUseError
from visapi.stack.postgres import PostgresFailedError
from visapi.stack.restoring import restore as restore_stack
from visapi_common.core.errors import Fault

backup = typer.Typer(no_args_is_help=True, help="Back up the embedded stack's database, and restore it.")

Folder = Annotated[Path, typer.Argument(help="The folder of backups; made where it does not exist.")]


@backup.command()
def copy(
    folder: Folder,
    keep: Annotated[int, typer.Option(min=1, help="How many whole copies to keep.")] = 2,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Copy the database while it serves, verify the copy, and forget older ones."""
    with _failures():
        place = _made(folder)
        made = place.copy(_source(data_dir), keep=keep)
    done(f"copied to {made}; kept {len(place.copies())}")


@backup.command()
def log(folder: Folder, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Receive the database's log as it is written, in the foreground. Ctrl-C ends it.

    While this command runs, a restore loses nothing that was accepted more than a second before. While the
    command does not run, the database keeps its log, which fills the disk: let a supervisor restart the
    command.
    """
    with _failures():
        source = _source(data_dir)
        place = _made(folder)
        command = place.log_command(source)
    if place.account:
        os.setgroups([])
        os.setgid(place.account.gid)
        os.setuid(place.account.uid)
    os.chdir("/")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execve(command[0], command, {**postgres.environment(), **source.environ})  # noqa: S606 (no shell is wanted)


@backup.command()
def restore(  # noqa: PLR0913 (each is an option of the command)
    *,
    folder: Folder,
    to: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"],
            help="The moment to go back to, with its zone: 2026-11-29T03:14:15+00:00. Unset: the end of the "
            "log.",
        ),
    ] = None,
    to_name: Annotated[str | None, typer.Option(help="A restore point to go back to.")] = None,
    accepted: Accepted = None,
    hold: Hold = True,
    json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Restore the database of a stopped stack, and list missing items. Then run `visapi up`.

    The previous cluster is kept beside the new one. Use a new folder for later backups.
    """
    if to is not None and to_name is not None:
        fail("--to and --to-name are both given; keep one of them", code=USAGE)
    data = DataDirectory(data_dir)
    asked = asked_about(accepted)

    async def look(owner_url: str) -> Report:
        return await examine(owner_url, asked, artifact_store(data.artifacts.as_uri()), hold=hold)

    with _failures():
        data.create()
        data.lock()
        report = asyncio.run(restore_stack(data, BackupFolder(folder), Target(to, to_name), look))
    show_report(report, len(asked), json=json)


def _made(folder: Path) -> BackupFolder:
    place = BackupFolder(folder)
    place.make()
    return place


def _source(data_dir: Path) -> Source:
    data = DataDirectory(data_dir)
    state = data.state()
    if state is None:
        fail(f"no stack runs on {data.root}", hint="Start it with `visapi up`.")
    port = next(each.ports["postgres"] for each in state.processes if each.name == "postgres")
    return Source(port, data.secrets().postgres[postgres.SUPERUSER])


@contextlib.contextmanager
def _failures() -> Generator[None]:
    try:
        yield
    except (
        AccountMissingError,
        DataDamagedError,
        DataInUseError,
        Fault,
        OSError,
        PostgresFailedError,
    ) as error:
        errors().print_error(str(error))
        raise typer.Exit(FAILURE) from error
