"""One folder for each channel.

- `channel.py` declares the channel as `CHANNEL`: its name, effect class, input, limits.
- `rules.py` builds requests and reads responses; pure.
- `service.py` carries the channel out; its class is `SERVICE`.

The two functions below find each folder; no list names the channels.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from visapi_notifier.outbound.rules.channel import Channel


@cache
def declared() -> Mapping[str, Channel[Any, Any]]:
    """Every channel, by the name of its function."""
    channels: list[Channel[Any, Any]] = [_part(folder, "channel").CHANNEL for folder in _folders()]
    return {channel.name: channel for channel in channels}


def services() -> Mapping[str, Any]:
    """The subclass of `Service` that carries out each channel, by the name of the channel's function."""
    return {_part(folder, "channel").CHANNEL.name: _part(folder, "service").SERVICE for folder in _folders()}


def _folders() -> list[str]:
    return sorted(module.name for module in iter_modules(__path__) if module.ispkg)


def _part(folder: str, part: str) -> Any:
    return import_module(f"{__name__}.{folder}.{part}")
