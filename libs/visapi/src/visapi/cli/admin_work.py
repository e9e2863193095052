"""What the commands of `visapi admin` share: their settings, their failures, their options."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Generator
from typing import Annotated, Any, TypeVar

import typer

from visapi.admin import settings as admin
from visapi.admin.settings import AdminSettings
from visapi.cli.output import USAGE, fail
from visapi_common.core.errors import Fault
from visapi_common.runtime.settings import SettingsError

T = TypeVar("T")

Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", help="A tenant whose workers get a NATS user. May be repeated."),
]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the database.", metavar="SECONDS")]
WAIT_S = 60.0


@contextlib.contextmanager
def usage_errors() -> Generator[None]:
    """A wrong setting or argument ends the command with code 2, before anything was changed."""
    try:
        yield
    except (SettingsError, ValueError) as error:
        fail(str(error), code=USAGE)


def settings() -> AdminSettings:
    with usage_errors():
        return admin.admin_settings(os.environ)


def owner_url() -> str:
    """The owner's URL from the environment."""
    given = settings()
    with usage_errors():
        return admin.owner_url(given)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work; a failure of the database ends the command with one line."""
    try:
        return asyncio.run(work)
    except Fault as error:
        fail(str(error))
