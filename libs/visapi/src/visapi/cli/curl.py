"""A client that prints requests as `curl` commands and sends nothing.

A command that sends several requests prints the first, with what it looks up by name before. The key is never
printed: the shell puts it in from VISAPI_API_KEY.
"""

import re
import shlex
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import urlencode

import typer

from visapi.cli.output import USAGE, console, fail, say
from visapi.cli.terminal import shown
from visapi.client import Client
from visapi.client.all_runs import AllRuns, Missed
from visapi.client.call import Call
from visapi.client.event_stream import history_stream
from visapi_common.contracts.runs import HistoryItem, RunChange

T = TypeVar("T")

_LOOKED_UP = re.compile(r"(?<=/)%24(id[0-9]+)(?=/|$)")
"""The variable of a shell in a path, as it is quoted there."""
BODY_BYTES_MAX = 100_000
"""The kernel takes 128 KiB in one argument."""


class CurlClient(Client):
    """Ends the command after its first request."""

    def __init__(self, url: str, api_key: str) -> None:
        super().__init__(url, api_key)
        self._looked_up = 0

    def send(self, call: Call[T]) -> T:
        """Print the request."""
        console().print_block(curl(self.url, call))
        if call.private:
            say("The body holds a secret and is not printed: give it to curl on stdin.")
        raise typer.Exit

    def follow(self, run: str, *, after: int = 0) -> Iterator[HistoryItem]:
        """Print the request for the live history."""
        self.send(history_stream(run, after))
        yield from ()

    def follow_all(self, following: AllRuns) -> Iterator[RunChange | Missed]:
        """Print the request for the changes of all runs."""
        self.send(following.call())
        yield from ()

    def lines(self, call: Call[None]) -> Iterator[bytes]:
        """Print the request."""
        return self.send(call) or iter(())

    def look_up(self, call: Call[Any]) -> str:
        """Print how the shell finds the id of what has a name; returns the word for it in a later path."""
        self._looked_up += 1
        word = f"id{self._looked_up}"
        console().print_block(f"{word}=$({curl(self.url, call)} | jq -r '.items[0].id')")
        return f"${word}"


def curl(url: str, call: Call[Any]) -> str:
    """The command that sends a request, for a shell of POSIX."""
    query = f"?{urlencode(call.params, doseq=True)}" if call.params else ""
    address = shlex.quote(f"{url}{call.path}{query}")
    if _LOOKED_UP.search(call.path):
        path = _LOOKED_UP.sub(r"$\1", call.path)
        address = f'"{url}{path}{query}"'
    words = ["curl --fail-with-body -sS"]
    if call.headers.get("Accept") == "text/event-stream":
        words.append("-N")
    if call.method != "GET":
        words.append(f"-X {call.method}")
    words += [address, '-H "Authorization: Bearer $VISAPI_API_KEY"']
    words += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    if call.body:
        words.append("--data-binary " + ("@-" if call.private else _body(call.body)))
    return " ".join(words)


def _body(body: bytes) -> str:
    if len(body) > BODY_BYTES_MAX:
        fail(f"the body has {len(body):,} bytes, too many for a command line", code=USAGE)
    text = body.decode()
    if shown(text) != text:
        fail(
            "the body has a character that a terminal would obey, and cannot be printed as it is", code=USAGE
        )
    return shlex.quote(text)
