"""`visapi listen`: the webhooks of an endpoint, forwarded to a URL of this machine while it runs."""

import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
from rich.text import Text

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected, id_named
from visapi.cli.output import USAGE, console, fail, say
from visapi.client import Client, UnreachableError
from visapi.client import endpoint_operations as operations
from visapi.client.webhooks import new_secret, sign
from visapi_common.contracts.endpoints import MessageView

_POLL_S = 1.0
_AWAY_S = 5.0
_TIMEOUT_S = 15.0
_PAGE = 200
_SEEN_MAX = 10_000
_LATE = timedelta(seconds=10)
"""A webhook appears in the log this much after its time at most."""


def listen(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    *,
    forward_to: Annotated[
        str, typer.Option("--forward-to", metavar="URL", help="Where webhooks are posted.")
    ],
    secret: Annotated[
        Path | None,
        typer.Option(
            "--secret",
            metavar="FILE",
            allow_dash=True,
            help="A file with the secret that signs, or - for stdin; the default is one made for this run.",
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many webhooks.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Forward the webhooks of an endpoint to a URL of this machine, until Ctrl-C.

    They are read from the endpoint's log once a second and signed anew, under the same `webhook-id`. What is
    secret or personal in them is masked, as everywhere in the log. What the URL answers changes nothing: the
    endpoint is sent its webhooks as ever, and a disabled endpoint gets none.
    """
    key = _secret(secret)
    if not forward_to.startswith(("http://", "https://")):
        fail(f"{forward_to!r} is no URL; write http://…", code=USAGE)
    with connected(url, data_dir) as client, httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as http:
        identity = id_named(
            client,
            operations.list_endpoints(name=endpoint),
            f"there is no endpoint {endpoint!r}",
            "`visapi endpoint list` names them.",
        )
        log = Log(client, identity)
        say(f"forwarding webhooks of {endpoint} to {forward_to}")
        for forwarded, message in enumerate(log.follow(), start=1):
            body = msgspec.json.encode(client.send(operations.get_message(identity, str(message.id))).body)
            _forward(http, forward_to, message, body, key)
            if forwarded == count:
                return


class Log:
    """The log of an endpoint from now on."""

    def __init__(self, client: Client, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint
        self._seen: OrderedDict[str, None] = OrderedDict()
        page = client.send(operations.list_messages(endpoint, limit=_PAGE))
        self._since: datetime | None = max((one.created_at for one in page.items), default=None)
        for one in page.items:
            self._seen[str(one.id)] = None

    def follow(self) -> Iterator[MessageView]:
        """Webhooks as they come, oldest first."""
        while True:
            try:
                yield from self.news()
                time.sleep(_POLL_S)
            except UnreachableError as error:
                say(f"{error}; trying again")
                time.sleep(_AWAY_S)

    def news(self) -> list[MessageView]:
        """What has come since the last call."""
        new: list[MessageView] = []
        cursor = None
        while True:
            page = self._client.send(operations.list_messages(self._endpoint, limit=_PAGE, cursor=cursor))
            unseen = [one for one in page.items if str(one.id) not in self._seen and not self._old(one)]
            new += unseen
            cursor = page.next
            if cursor is None or len(unseen) < len(page.items):
                break
        for one in new:
            self._seen[str(one.id)] = None
        while len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)
        return new[::-1]

    def _old(self, one: MessageView) -> bool:
        return self._since is not None and one.created_at < self._since - _LATE


def _forward(http: httpx.Client, to: str, message: MessageView, body: bytes, secret: str) -> None:
    moment = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": str(message.id),
        "webhook-timestamp": str(moment),
        "webhook-signature": sign(body, str(message.id), moment, secret),
    }
    try:
        answer = http.post(to, content=body, headers=headers)
        how, style = str(answer.status_code), "green" if answer.is_success else "red"
    except httpx.HTTPError as error:
        how, style = str(error), "red"
    console().print(Text.assemble(f"{message.id}  {message.type}  ", (how, style)))


def _secret(path: Path | None) -> str:
    if path is None:
        made = new_secret()
        say(f"webhooks are signed with {made} until this command ends")
        return made
    try:
        text = (sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")).strip()
        sign(b"", "", 0, text)
    except (OSError, ValueError) as error:
        fail(f"cannot use the secret of {path}: {error}", code=USAGE)
    return text
