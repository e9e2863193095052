"""`visapi context add|use|list|remove`: gateways and keys that are saved under names."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from visapi.cli.contexts import Context, Contexts, ContextsError, contexts_file, read_contexts, write_contexts
from visapi.cli.output import AUTHENTICATION, USAGE, as_json, done, fail, say
from visapi.cli.tables import Table

contexts = typer.Typer(no_args_is_help=True, help="Save gateways with their keys, and choose among them.")
Name = Annotated[str, typer.Argument(help="The context's name.")]


@contexts.command()
def add(
    name: Name,
    gateway: Annotated[
        str, typer.Argument(metavar="URL", help="The gateway, such as https://api.example.com.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            allow_dash=True,
            help="A file with the API key, or - for stdin; the default is the variable VISAPI_API_KEY.",
        ),
    ] = None,
) -> None:
    """Save a gateway and its key under a name; the first one becomes the current context.

    The key is kept in a file that only you may read.
    """
    if not gateway.startswith(("https://", "http://")):
        fail(f"{gateway!r} is no URL; write https://…", code=USAGE)
    context = Context(gateway.rstrip("/"), _key(key))
    _change(lambda found: found.with_saved(name, context))
    done(f"saved {name} in {contexts_file()}")


@contexts.command()
def use(
    name: Annotated[str | None, typer.Argument(help="The context's name.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Use no context unless a command names one.")] = False,
) -> None:
    """Choose the context of commands that name no gateway, where no embedded stack runs."""
    if (name is None) != none:
        fail("give a name, or --none", code=USAGE)
    _change(lambda found: found.using(name))
    done("no context is current" if name is None else f"{name} is the current context")


@contexts.command(name="list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List contexts, without their keys."""
    found = _read()
    if json:
        items = sorted(found.saved.items())
        as_json([{"name": name, "url": one.url, "current": name == found.current} for name, one in items])
        return
    if not found.saved:
        say("no contexts")
        return
    shown = Table("name", "url", "current", elastic=("url",))
    for name, one in sorted(found.saved.items()):
        shown.add_row(name, one.url, "yes" if name == found.current else "")
    shown.show()


@contexts.command()
def remove(name: Name) -> None:
    """Forget a gateway and its key. The key stays valid; `visapi key revoke` ends it."""
    _change(lambda found: found.without(name))
    done(f"removed {name}")


def _key(path: Path | None) -> str:
    if path is None:
        text = os.environ.get("VISAPI_API_KEY", "")
    else:
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"cannot read the key from {path}: {error}", code=USAGE)
    key = text.strip()
    if not key.isascii() or not key.isprintable() or not key:
        fail(
            "there is no API key",
            hint="Give it with --key FILE, --key - or VISAPI_API_KEY.",
            code=AUTHENTICATION,
        )
    return key


def _read() -> Contexts:
    try:
        return read_contexts(contexts_file())
    except ContextsError as error:
        fail(str(error), code=USAGE)


def _change(change: Callable[[Contexts], Contexts]) -> None:
    try:
        write_contexts(contexts_file(), change(read_contexts(contexts_file())))
    except ContextsError as error:
        fail(str(error), code=USAGE)
    except OSError as error:
        fail(f"{contexts_file()} cannot be written: {error.strerror}")
