"""`visapi admin restored`: run after a restore of PostgreSQL, before the services start again."""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from visapi.admin import restores
from visapi.admin.databases import wait_for_database
from visapi.admin.restores import Artifacts, Ledger
from visapi.cli.admin_work import WAIT_S, Wait, owner_url, run, usage_errors
from visapi.cli.output import FAILURE, as_json, console, done, say
from visapi_common.adapters.object_store import ObjectStore
from visapi_common.runtime.connections import ArtifactSettings
from visapi_common.runtime.settings import PREFIX, load, names_of

_LISTED = 100


Accepted = Annotated[
    list[Path] | None,
    typer.Option(
        help="A file that names runs: ids, one a line; JSON, as of `visapi run list --json`; or paths, as in "
        "the log of a proxy. Runs that the database does not know are printed. May be repeated."
    ),
]
Hold = Annotated[
    bool,
    typer.Option(
        help="Hold effects of class `once` of all runs that began before now, until somebody decides."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Report(msgspec.Struct, frozen=True):
    ledger: Ledger
    artifacts: Artifacts | None


def restored(
    *,
    accepted: Accepted = None,
    hold: Hold = True,
    release: Annotated[bool, typer.Option("--release", help="Hold nothing any more, and end.")] = False,
    wait: Wait = WAIT_S,
    json: Json = False,
) -> None:
    """Run this once after PostgreSQL was restored to a point in the past, before the services start again, as
    the owner of the database (VISAPI_OWNER_URL). VISAPI_ARTIFACTS_URL and VISAPI_S3_… say where the artifacts
    are.

    Exit code 1 when rows name artifacts that the store lacks.
    """
    url = owner_url()
    if release:
        run(restores.release(url))
        done("effects are held no more because of a restore")
        return
    asked = asked_about(accepted)
    with usage_errors():
        store = artifact_store()
    run(wait_for_database(url, wait))
    show_report(run(examine(url, asked, store, hold=hold)), len(asked), json=json)


async def examine(owner_url: str, asked: set[UUID], store: ObjectStore | None, *, hold: bool) -> Report:
    """Hold effects of class `once`, and compare the database with named runs and stored artifacts."""
    ledger = await restores.look_at_ledger(owner_url, asked, hold=hold)
    return Report(ledger, await restores.look_at_artifacts(owner_url, store) if store else None)


def show_report(report: Report, asked: int, *, json: bool) -> None:
    """Print it, and end with code 1 where artifacts are missing."""
    if json:
        as_json(report)
    else:
        _show(report.ledger, asked, report.artifacts)
    if report.artifacts and report.artifacts.missing:
        raise typer.Exit(FAILURE)


def asked_about(files: list[Path] | None) -> set[UUID]:
    """The runs that the files name; a file that cannot be read ends the command."""
    named: set[UUID] = set()
    with usage_errors():
        for file in files or []:
            try:
                named |= restores.runs_named(file.read_text(encoding="utf-8", errors="replace"))
            except OSError as error:
                raise ValueError(f"cannot read {file}: {error.strerror}") from error
        if files and not named:
            raise ValueError(f"no run is named in {', '.join(map(str, files))}; give ids, one a line")
    return named


def artifact_store(default: str | None = None) -> ObjectStore | None:
    """The store that VISAPI_ARTIFACTS_URL names, reached as VISAPI_S3_… say; else the one at `default`."""
    url = os.environ.get(f"{PREFIX}ARTIFACTS_URL") or default
    known = set(names_of(ArtifactSettings))
    settings = load(ArtifactSettings, {name: value for name, value in os.environ.items() if name in known})
    return ObjectStore.open(url, settings.s3) if url else None


def _show(ledger: Ledger, asked: int, artifacts: Artifacts | None) -> None:
    newest = ledger.newest.isoformat(timespec="milliseconds") if ledger.newest else "none"
    console().print(f"newest run         accepted {newest}")
    console().print(f"open runs          {ledger.open_runs}; they go on when the services start")
    console().print(
        f"once effects       {'held' if ledger.held else 'NOT held: they may happen a second time'}"
    )
    if asked:
        console().print(f"accepted and lost  {len(ledger.lost)} of {asked} runs that were asked about")
        _list([str(each) for each in ledger.lost])
    if artifacts is None:
        say("artifacts were not looked at: VISAPI_ARTIFACTS_URL is not set")
        return
    console().print(f"artifacts          {artifacts.named} named, {len(artifacts.missing)} of them missing")
    _list(artifacts.missing)
    console().print(f"stray artifacts    {len(artifacts.strays)}; harmless, made after the restore point")


def _list(lines: list[str]) -> None:
    for line in lines[:_LISTED]:
        console().print(f"  {line}")
    if len(lines) > _LISTED:
        console().print(f"  and {len(lines) - _LISTED} more; --json prints all")
