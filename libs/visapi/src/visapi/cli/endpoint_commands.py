"""`visapi endpoint create|list|show|change|enable|disable|rotate|remove|ping|messages|message|replay`.

Endpoints are named as they were made.
"""

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected, id_named
from visapi.cli.endpoint_views import described, show_endpoints, show_facts, show_made, show_messages
from visapi.cli.output import USAGE, as_json, done, fail, say
from visapi.client import Client
from visapi.client import endpoint_operations as operations
from visapi_common.contracts.endpoints import (
    MessageDetails,
    MessageState,
    NewEndpoint,
    RotateEndpoint,
    UpdateEndpoint,
)

endpoints = typer.Typer(no_args_is_help=True, help="Send webhooks about runs, tasks and events.")
Name = Annotated[str, typer.Argument(help="The endpoint's name.")]
Message = Annotated[str, typer.Argument(help="The `webhook-id`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="Such as run.completed, task.*, event.order.paid or *; may be repeated."),
]
Workflows = Annotated[
    list[str] | None,
    typer.Option("--workflow", help="Only runs and tasks of these: NAMESPACE/NAME, or NAMESPACE/*."),
]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only events of these sources.")]
PING_S = 20.0


@endpoints.command()
def create(  # noqa: PLR0913 (each is an option of the command)
    *,
    name: Name,
    to: Annotated[str, typer.Argument(metavar="URL", help="Where webhooks are sent.")],
    types: Types = None,
    workflows: Workflows = None,
    sources: Sources = None,
    ordered: Annotated[
        bool,
        typer.Option("--ordered", help="One webhook at a time; a webhook that fails holds up the next ones."),
    ] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Make an endpoint, and print its secret, once."""
    given = {"name": name, "url": to, "types": types or [], "ordered": ordered}
    wanted = _read(NewEndpoint, given | _filter(workflows, sources))
    with connected(url, data_dir) as client:
        made = client.send(operations.make_endpoint(wanted))
    if json:
        as_json(made)
        return
    show_made(made)


@endpoints.command(name="list")
def list_(url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """List the first 200 endpoints, by name."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_endpoints())
    if json:
        as_json(page.items)
        return
    show_endpoints(page.items)


@endpoints.command()
def show(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Show an endpoint, without its secrets."""
    with connected(url, data_dir) as client:
        endpoint = client.send(operations.get_endpoint(_id(client, name)))
    if json:
        as_json(endpoint)
        return
    show_facts(endpoint)


@endpoints.command()
def change(  # noqa: PLR0913 (each is an option of the command)
    *,
    name: Name,
    to: Annotated[str | None, typer.Option("--to", metavar="URL", help="The new URL.")] = None,
    types: Types = None,
    workflows: Workflows = None,
    sources: Sources = None,
    ordered: Annotated[bool | None, typer.Option("--ordered/--unordered", help="The order.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change an endpoint. Types are replaced as a whole, and so are both filters."""
    given = {"url": to, "types": types, "ordered": ordered}
    changes = {key: value for key, value in given.items() if value is not None}
    wanted = _read(UpdateEndpoint, changes | _filter(workflows, sources))
    _update(name, wanted, url, data_dir)
    done(f"{name} is changed")


@endpoints.command()
def enable(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Enable an endpoint; webhooks that wait are sent first."""
    _update(name, UpdateEndpoint(enabled=True), url, data_dir)
    done(f"{name} is sent webhooks")


@endpoints.command()
def disable(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Send nothing more, until the endpoint is enabled again."""
    _update(name, UpdateEndpoint(enabled=False), url, data_dir)
    done(f"{name} is sent nothing")


@endpoints.command()
def rotate(
    *,
    name: Name,
    overlap: Annotated[
        float, typer.Option(min=0, max=168, metavar="HOURS", help="How long earlier secrets sign too.")
    ] = 24.0,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Give an endpoint a new secret, and print it, once."""
    wanted = RotateEndpoint(overlap_s=round(overlap * 3600))
    with connected(url, data_dir) as client:
        made = client.send(operations.rotate_endpoint(_id(client, name), wanted))
    if json:
        as_json(made)
        return
    show_made(made)


@endpoints.command()
def remove(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Remove an endpoint, its secrets, and the webhooks that wait for it."""
    with connected(url, data_dir) as client:
        client.send(operations.remove_endpoint(_id(client, name)))
    done(f"removed {name}")


@endpoints.command()
def ping(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Send a test webhook to an endpoint, and print the answer of its receiver."""
    with connected(url, data_dir) as client:
        endpoint = _id(client, name)
        call = operations.ping_endpoint(endpoint)
        sent = _tried(client, endpoint, client.send(call))
    if not sent.log:
        fail(f"nothing was sent within {PING_S:g} s; the webhook waits", hint="Does the notifier run?")
    if sent.state != "delivered":
        fail(described(sent.log[0]), hint=f"`visapi endpoint message {name} {sent.id}` shows the attempts.")
    done(f"{described(sent.log[0])} ({sent.id})")


@endpoints.command()
def messages(
    *,
    name: Name,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only webhooks of this state: pending, delivered or failed."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=200)] = 50,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """List the webhooks to an endpoint, newest first."""
    wanted = _read(MessageState | None, state)
    with connected(url, data_dir) as client:
        endpoint = _id(client, name)
        page = client.send(operations.list_messages(endpoint, state=wanted, limit=limit))
    if json:
        as_json(page.items)
        return
    show_messages(page.items)


@endpoints.command()
def message(name: Name, message: Message, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print a webhook and its attempts; secrets and personal data are masked."""
    with connected(url, data_dir) as client:
        as_json(client.send(operations.get_message(_id(client, name), message)))


@endpoints.command()
def replay(
    name: Name,
    message: Message,
    reason: Annotated[str | None, typer.Option(help="The reason, for the audit.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a webhook again, under the same id, up to ten times."""
    with connected(url, data_dir) as client:
        endpoint = _id(client, name)
        client.send(operations.replay_message(endpoint, message, reason=reason))
    done(f"{message} is sent again")


def _id(client: Client, name: str) -> str:
    return id_named(
        client,
        operations.list_endpoints(name=name),
        f"there is no endpoint {name!r}",
        "`visapi endpoint list` names them.",
    )


def _tried(client: Client, endpoint: str, message: MessageDetails) -> MessageDetails:
    """The message once it was tried, or when there is no more time to wait."""
    ends = time.monotonic() + PING_S
    while not message.log and time.monotonic() < ends:
        time.sleep(0.1)
        message = client.send(operations.get_message(endpoint, str(message.id)))
    if not message.log:
        say("the webhook was not sent so far")
    return message


def _update(name: str, wanted: UpdateEndpoint, url: str | None, data_dir: Path) -> None:
    with connected(url, data_dir) as client:
        client.send(operations.update_endpoint(_id(client, name), wanted))


def _filter(workflows: list[str] | None, sources: list[str] | None) -> dict[str, Any]:
    given = {"workflows": workflows, "sources": sources}
    chosen = {key: value for key, value in given.items() if value}
    return {"filter": chosen} if chosen else {}


def _read(kind: Any, given: Any) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as wrong:
        say(str(wrong))
        raise typer.Exit(USAGE) from None
