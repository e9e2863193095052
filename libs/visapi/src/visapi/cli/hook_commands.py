"""`visapi hook create|list|show|configure|enable|disable|rotate|remove|deliveries|delivery|replay|refusals`.

Hooks are named as they were made. Secrets come from a file or from stdin, never from the command line, which
other users of the machine can see.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected, id_named
from visapi.cli.hook_views import show_deliveries, show_facts, show_made, show_refusals
from visapi.cli.output import USAGE, as_json, done, fail, say
from visapi.cli.tables import Table
from visapi.client import Client
from visapi.client import hook_operations as operations
from visapi_common.contracts.foreign import Unreadable, read_as
from visapi_common.contracts.hooks import (
    HookSettings,
    NewHook,
    RotateHook,
    UpdateHook,
)

hooks = typer.Typer(no_args_is_help=True, help="Receive webhooks of GitHub, Stripe, Slack and others.")
Name = Annotated[str, typer.Argument(help="The hook's name.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret", metavar="FILE", help="A file with the provider's secret, or - for stdin.", allow_dash=True
    ),
]
SettingsText = Annotated[
    str | None,
    typer.Option("--settings", metavar="JSON", help='How requests are read, such as {"id_from": "/id"}.'),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Delivery = Annotated[str, typer.Argument(help="The provider's id of the delivery.")]


@hooks.command()
def create(  # noqa: PLR0913 (each is an option of the command)
    *,
    name: Name,
    provider: Annotated[
        str,
        typer.Option(
            help="github, stripe, slack, shopify, standard-webhooks, whatsapp, hmac, basic, or none, which "
            "verifies nothing."
        ),
    ],
    secret: SecretFile = None,
    settings: SettingsText = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Make a hook, and print the URL for its provider. A generated secret is printed once."""
    given = {"name": name, "provider": provider, "secret": _secret(secret), "settings": _settings(settings)}
    wanted = _read(NewHook, {key: value for key, value in given.items() if value is not None})
    with connected(url, data_dir) as client:
        made = client.send(operations.make_hook(wanted))
        base = client.url
    if json:
        as_json(made)
        return
    show_made(made, base)


@hooks.command(name="list")
def list_(url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """List the first 200 hooks, by name."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_hooks())
    if json:
        as_json(page.items)
        return
    shown = Table("name", "provider", "state", "secrets", "id", elastic=("name",))
    for hook in page.items:
        state = "enabled" if hook.enabled else "disabled"
        shown.add_row(hook.name, hook.provider, state, str(len(hook.secrets)), str(hook.id))
    shown.show()


@hooks.command()
def show(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Show a hook, without its secrets."""
    with connected(url, data_dir) as client:
        hook, base = client.send(operations.get_hook(_id(client, name))), client.url
    if json:
        as_json(hook)
        return
    show_facts(hook, base)


@hooks.command()
def enable(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Accept requests again."""
    _update(name, UpdateHook(enabled=True), url, data_dir)
    done(f"{name} accepts requests")


@hooks.command()
def disable(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Refuse every request, until the hook is enabled again."""
    _update(name, UpdateHook(enabled=False), url, data_dir)
    done(f"{name} refuses requests")


@hooks.command()
def configure(
    name: Name,
    settings: Annotated[
        str, typer.Argument(metavar="JSON", help="The new settings, which replace all earlier ones.")
    ],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Change how the requests of a hook are verified and read."""
    wanted = _read(UpdateHook, {"settings": _settings(settings)})
    _update(name, wanted, url, data_dir)
    done(f"{name} has new settings")


@hooks.command()
def rotate(
    *,
    name: Name,
    secret: SecretFile = None,
    overlap: Annotated[
        float, typer.Option(min=0, max=168, metavar="HOURS", help="How long earlier secrets stay valid.")
    ] = 24.0,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Give a hook a new secret: one from a file, or one that is made here and printed once."""
    wanted = RotateHook(secret=_secret(secret), overlap_s=round(overlap * 3600))
    with connected(url, data_dir) as client:
        made = client.send(operations.rotate_hook(_id(client, name), wanted))
        base = client.url
    if json:
        as_json(made)
        return
    show_made(made, base)


@hooks.command()
def remove(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Remove a hook, its secrets and its deliveries."""
    with connected(url, data_dir) as client:
        client.send(operations.remove_hook(_id(client, name)))
    done(f"removed {name}")


@hooks.command()
def deliveries(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=200)] = 50,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """List the deliveries that a hook accepted, newest first."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_deliveries(_id(client, name), limit=limit))
    if json:
        as_json(page.items)
        return
    show_deliveries(page.items)


@hooks.command()
def delivery(name: Name, delivery: Delivery, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print a delivery and its event; secrets and personal data are masked."""
    with connected(url, data_dir) as client:
        hook, found = _delivered(client, name, delivery)
        as_json(client.send(operations.get_delivery(hook, found)))


@hooks.command()
def replay(
    name: Name,
    delivery: Delivery,
    reason: Annotated[str | None, typer.Option(help="The reason, for the audit.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send the event of a delivery to workflows once more."""
    with connected(url, data_dir) as client:
        hook, found = _delivered(client, name, delivery)
        call = operations.replay_delivery(hook, found, reason=reason)
        view = client.send(call)
    done(f"replayed {view.delivery} as {view.delivery}/replay/{view.replays}")


@hooks.command()
def refusals(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Say why a hook refused requests."""
    with connected(url, data_dir) as client:
        found = client.send(operations.get_refusals(_id(client, name)))
    if json:
        as_json(found)
        return
    show_refusals(found)


def _id(client: Client, name: str) -> str:
    return id_named(
        client,
        operations.list_hooks(name=name),
        f"there is no hook {name!r}",
        "`visapi hook list` names them.",
    )


def _delivered(client: Client, name: str, delivery: str) -> tuple[str, str]:
    """The ids of the hook and of the delivery."""
    hook = _id(client, name)
    call = operations.list_deliveries(hook, delivery=delivery)
    hint = f"`visapi hook deliveries {name}` lists them."
    return hook, id_named(client, call, f"{name} has no delivery {delivery!r}", hint)


def _update(name: str, wanted: UpdateHook, url: str | None, data_dir: Path) -> None:
    with connected(url, data_dir) as client:
        client.send(operations.update_hook(_id(client, name), wanted))


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"cannot read the secret from {path}: {error}", code=USAGE)
    return text.strip()


def _settings(text: str | None) -> Any:
    if text is None:
        return None
    read = read_as(HookSettings, text.encode())
    if isinstance(read, Unreadable):
        fail(f"these settings cannot be read: {read.reason}", code=USAGE)
    return msgspec.to_builtins(read)


def _read(kind: Any, given: dict[str, Any]) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as wrong:
        say(str(wrong))
        raise typer.Exit(USAGE) from None
