"""The gateway of a command: the given one, else the embedded stack of this directory."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import typer

from visapi.cli.output import AUTHENTICATION, FAILURE, fail, mistakes
from visapi.client import ApiError, Client, UnreachableError
from visapi.stack.data_directory import DataDamagedError, DataDirectory

DEFAULT_DATA_DIR = Path(".visapi")

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="VISAPI_DATA_DIR", help="Where the embedded stack keeps its data.", show_default=True
    ),
]
Url = Annotated[
    str | None,
    typer.Option(envvar="VISAPI_URL", help="The gateway; the default is the embedded stack that runs here."),
]


@contextlib.contextmanager
def connected(url: str | None, data_dir: Path) -> Generator[Client]:
    """A client for the command; failures of the API end it with a message and a fitting code."""
    address, key = _find(url, data_dir)
    try:
        with Client(address, key) as client:
            yield client
    except UnreachableError as error:
        fail(str(error), hint="Is the stack running? `visapi status` tells; `visapi up` starts it.")
    except ApiError as error:
        problem = error.problem
        code = AUTHENTICATION if problem.status in {401, 403} else FAILURE
        if problem.errors:
            mistakes(problem.errors)
        identity = f" (request {problem.request_id})" if problem.request_id else ""
        fail(f"{problem.title}: {problem.detail or problem.type}{identity}", code=code)


def _find(url: str | None, data_dir: Path) -> tuple[str, str]:
    data = DataDirectory(data_dir)
    key = os.environ.get("VISAPI_API_KEY")
    if url and key:
        return url, key
    if url:
        fail(f"no key for {url}", hint="Set VISAPI_API_KEY.", code=AUTHENTICATION)
    try:
        state = data.state()
    except DataDamagedError as error:
        fail(str(error))
    if state is None:
        fail(
            f"no embedded stack runs on {data.root}",
            hint="Start it with `visapi up`, or name a gateway with VISAPI_URL and VISAPI_API_KEY.",
        )
    key = key or data.api_key()
    if key is None:
        fail(f"{data.root} holds no API key yet", hint="Wait until `visapi up` says that it is ready.")
    return state.gateway, key
