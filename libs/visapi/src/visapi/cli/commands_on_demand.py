"""A group that imports a command's module when the command is called.

`visapi up` lives as long as the stack, so it holds the modules of one command and not of all; and the other
commands start sooner.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup

from visapi.cli.common_options import with_common_options

if TYPE_CHECKING:
    from collections.abc import Mapping


class CommandsOnDemand(TyperGroup):
    """A subclass names its commands in `places`."""

    places: ClassVar["Mapping[str, str]"]
    """Where each command is: `module:attribute`, a function or a `typer.Typer`, by its name and in the order
    of the help.
    """

    aliases: ClassVar["Mapping[str, str]"] = {}
    """Other words for commands, which the help does not list."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (the base class calls it)
        """The names of all commands."""
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; None where there is none of that name. The error for a wrong name suggests others, so
        then all are imported.
        """
        cmd_name = self.aliases.get(cmd_name, cmd_name)
        for name in (cmd_name,) if cmd_name in self.places else self.places:
            if name not in self.commands:
                self.commands[name] = _command(name, self.places[name])
        return super().get_command(ctx, cmd_name)


def _command(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    with_common_options(command, (name,))
    return command
