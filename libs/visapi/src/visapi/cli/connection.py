"""The gateway of a command: the given one, else the embedded stack of this directory, else a saved one."""

import contextlib
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

from visapi.cli.common_options import asked_context, asks_for_curl
from visapi.cli.contexts import Contexts, ContextsError, contexts_file, read_contexts
from visapi.cli.curl import CurlClient
from visapi.cli.output import (
    AUTHENTICATION,
    FAILURE,
    NOT_FOUND,
    TIMED_OUT,
    UNREACHABLE,
    USAGE,
    as_json,
    fail,
    lacks_result,
    mistakes,
)
from visapi.client import ApiError, Client, UnreachableError
from visapi.client.call import Call
from visapi.stack.data_directory import DataDamagedError, DataDirectory

T = TypeVar("T")

_CODES = {401: AUTHENTICATION, 403: AUTHENTICATION, 404: NOT_FOUND, 410: NOT_FOUND}
DEFAULT_DATA_DIR = Path(".visapi")

DataDir = Annotated[
    Path,
    typer.Option(
        envvar="VISAPI_DATA_DIR", help="Where the embedded stack keeps its data.", show_default=True
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="VISAPI_URL",
        help="The gateway; the default is the embedded stack that runs here, else the current context.",
    ),
]


class Gateway(NamedTuple):
    """Where a command sends its requests, and its key; `origin` says how it was found."""

    url: str
    key: str | None
    origin: str


@contextlib.contextmanager
def connected(url: str | None, data_dir: Path) -> Generator[Client]:
    """A client for the command; failures of the API end it with a message and a fitting code."""
    gateway = find_gateway(url, data_dir)
    if not asks_for_curl() and gateway.key is None:
        fail(f"no key for {gateway.url}", hint="Set VISAPI_API_KEY.", code=AUTHENTICATION)
    kind = CurlClient if asks_for_curl() else _Remembering
    try:
        with kind(gateway.url, gateway.key or "") as client:
            yield client
        if isinstance(client, _Remembering) and lacks_result() and client.answer is not None:
            as_json(client.answer)
    except UnreachableError as error:
        hint = "Is the stack running? `visapi status` tells; `visapi up` starts it."
        fail(str(error), hint=hint, code=UNREACHABLE)
    except TimeoutError as error:
        fail(str(error), code=TIMED_OUT)
    except ApiError as error:
        problem = error.problem
        if problem.errors:
            mistakes(problem.errors)
        identity = f" (request {problem.request_id})" if problem.request_id else ""
        text = f"{problem.title}: {problem.detail or problem.type}{identity}"
        fail(text, code=_CODES.get(problem.status, FAILURE))


class _Remembering(Client):
    """Keeps the last answer."""

    answer: Any = None

    def send(self, call: Call[T]) -> T:
        """As any client."""
        answer = super().send(call)
        self.answer = answer
        return answer


def id_named(client: Client, call: Call[Any], otherwise: str, hint: str) -> str:
    """The id of the first item that a list by name has; without one, the command ends."""
    if isinstance(client, CurlClient):
        return client.look_up(call)
    found = client.send(call).items
    if not found:
        fail(otherwise, hint=hint, code=NOT_FOUND)
    return str(found[0].id)


def find_gateway(url: str | None, data_dir: Path) -> Gateway:
    """The context that the command names, the given URL, the stack that runs here, or the current context."""
    name = asked_context()
    if name is not None:
        saved = _contexts(lambda contexts: contexts.named(name))
        return Gateway(saved.url, saved.key, f"context {name}")
    key = os.environ.get("VISAPI_API_KEY")
    if url:
        return Gateway(url, key, "VISAPI_URL or --url")
    data = DataDirectory(data_dir)
    try:
        state = data.state()
    except DataDamagedError as error:
        fail(str(error))
    if state is not None:
        key = key or data.api_key()
        if key is None:
            fail(f"{data.root} holds no API key yet", hint="Wait until `visapi up` says that it is ready.")
        return Gateway(state.gateway, key, f"the stack on {data.root}")
    contexts = _contexts(lambda found: found)
    if contexts.current is None:
        remedy = "`visapi up`, or name a gateway: `visapi context add`, or VISAPI_URL and VISAPI_API_KEY."
        fail(f"no embedded stack runs on {data.root}", hint=f"Start it with {remedy}")
    saved = contexts.saved[contexts.current]
    return Gateway(saved.url, saved.key, f"context {contexts.current}")


def _contexts(read: Callable[[Contexts], T]) -> T:
    try:
        return read(read_contexts(contexts_file()))
    except ContextsError as error:
        fail(str(error), code=USAGE)
