"""`visapi admin nats-config`."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from visapi.admin import nats_users
from visapi.admin.nats_users import User
from visapi.admin.private_files import write_private
from visapi.cli.admin_work import usage_errors
from visapi.cli.output import done
from visapi.cli.terminal import write_content
from visapi_common.runtime.secret_lines import newest
from visapi_common.runtime.settings import FILE, SettingsError, secret_of


def nats_config(
    worker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TENANT[=FUNCTION,…]",
            help="A user `worker-TENANT`, which serves these functions, publishes the tenant's events "
            "and hears of its "
            "runs, and nothing of other tenants. May be repeated.",
        ),
    ] = None,
    account: Annotated[str, typer.Option(help="The NATS account of VisAPI.")] = "VISAPI",
    variables: Annotated[
        bool,
        typer.Option(
            "--variables",
            help="Leave the passwords to the environment of the NATS servers: `$VISAPI_NATS_…_PASSWORD`.",
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="As JSON, for tools that write the configuration.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write this file, mode 0600, instead of printing.")
    ] = None,
) -> None:
    """Print the account of VisAPI with its users and their permissions, to include in the configuration of
    NATS.

    Passwords come from VISAPI_NATS_GATEWAY_PASSWORD, VISAPI_NATS_ORCHESTRATOR_PASSWORD,
    VISAPI_NATS_PDF_WORKER_PASSWORD, VISAPI_NATS_NOTIFIER_PASSWORD and VISAPI_NATS_WORKER_<TENANT>_PASSWORD,
    each also as …_FILE.
    """
    with usage_errors():
        users = [*nats_users.service_users(), *nats_users.worker_users(_workers(worker or []))]
        passwords = {user.name: _password(user, variables=variables) for user in users}
        document = nats_users.account_document(account, users, passwords)
    text = (
        msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
        if json
        else nats_users.render_account(account, users, passwords)
    )
    if output is None:
        write_content(text.encode())
        return
    write_private(output.absolute(), text.encode())
    done(f"wrote {len(users)} users to {output}")


def _workers(given: list[str]) -> dict[str, tuple[str, ...]]:
    workers: dict[str, tuple[str, ...]] = {}
    for text in given:
        tenant, _, functions = text.partition("=")
        names = tuple(name.strip() for name in functions.split(",") if name.strip())
        workers[tenant] = (*workers.get(tenant, ()), *names)
    return workers


def _password(user: User, *, variables: bool) -> str:
    name = nats_users.password_variable(user.name)
    if variables:
        return f"${name}"
    _, password = secret_of(name, os.environ)
    if not password:
        raise SettingsError(
            f"{name} is not set, nor is {name}{FILE}: the password of the NATS user {user.name}"
        )
    return newest(password)
