"""`visapi admin roles` and `migrate`."""

from typing import Annotated

import typer

from visapi.admin import databases
from visapi.admin import settings as admin
from visapi.admin.settings import AdminSettings
from visapi.cli.admin_work import WAIT_S, Wait, owner_url, run, settings, usage_errors
from visapi.cli.output import done, say
from visapi_common.adapters.migrate import SchemaState, Step, apply_migrations, schema_state
from visapi_common.core.postgres_url import database_of, password_of, user_of

BEHIND = 3
"""The exit code of `migrate --check` for a database that lacks migrations."""


def roles(wait: Wait = WAIT_S) -> None:
    """Make the database roles of the services, and let only them into the database. May be repeated.

    As the owner of the database (VISAPI_OWNER_URL), which needs CREATEROLE but is no superuser; or as an
    administrator (VISAPI_ADMIN_URL), who makes the owner and the database, too. Passwords:
    VISAPI_GATEWAY_PASSWORD, VISAPI_ORCHESTRATOR_PASSWORD, VISAPI_NOTIFIER_PASSWORD, each also as …_FILE.
    """
    given = settings()
    with usage_errors():
        owner, administrator = admin.owner_url(given), admin.admin_url(given)
        passwords = _passwords(given, owner, administrator)
        databases.check_passwords(passwords)
    run(_roles(owner, administrator or owner, passwords, wait))


def _passwords(given: AdminSettings, owner: str, administrator: str | None) -> dict[str, str | None]:
    """By role, the owner's first when an administrator makes it."""
    own = {user_of(owner): password_of(owner)} if administrator else {}
    return {**own, **given.passwords}


async def _roles(owner: str, by: str, passwords: dict[str, str | None], wait_s: float) -> None:
    await databases.wait_for_database(by, wait_s)
    for role, what in (await databases.make_roles(by, passwords)).items():
        done(f"{role} {what}")
    database = database_of(owner)
    if by != owner and await databases.create_database(by, database, owner=user_of(owner)):
        done(f"the database {database} was made")
    await databases.open_database(owner, database)
    done(f"only these roles may connect to the database {database}")


def migrate(
    step: Annotated[
        Step,
        typer.Option(
            help="`expand` adds, and the release before this one goes on working; `contract` takes away "
            "what only it "
            "needs, once all replicas are of this release; `all` is both. An empty database gets both "
            "by `expand`."
        ),
    ] = Step.EXPAND,
    check: Annotated[
        bool,
        typer.Option("--check", help=f"Change nothing; exit code {BEHIND} when the step has work to do."),
    ] = False,
    wait: Wait = WAIT_S,
) -> None:
    """Bring the schema up to date, as the owner of the database (VISAPI_OWNER_URL). May be repeated;
    several at once do the work once.
    """
    url = owner_url()
    run(databases.wait_for_database(url, wait))
    state = run(schema_state(url))
    behind = _behind(state, step)
    if state.newer:
        say(f"a later release was here ({', '.join(state.newer)}): its grants stay")
    if check:
        if behind:
            say(f"behind by {', '.join(behind)}")
            raise typer.Exit(BEHIND)
        done(f"up to date for {step.value}")
        return
    applied = run(apply_migrations(url, step))
    done(f"applied {', '.join(applied)}" if applied else f"up to date for {step.value}")


def _behind(state: SchemaState, step: Step) -> list[str]:
    match step:
        case Step.EXPAND:
            return state.expand
        case Step.CONTRACT:
            return state.contract
        case Step.ALL:
            return sorted(state.expand + state.contract)
