"""Starts the first browser and reports the browser's health."""

import asyncio
from collections.abc import Awaitable, Callable

from visapi_common.core.errors import TransientFault
from visapi_common.telemetry.logs import get_logger

_WATCH_EVERY_S = 2.0


async def first(start: Callable[[], Awaitable[None]]) -> None:
    """Start the first browser. One that does not come in time comes later: documents wait for it.

    Raises `PermanentFault` when this machine cannot run any.
    """
    try:
        await start()
    except TransientFault as fault:
        get_logger("browser").warning("no_browser", detail=str(fault))


async def watch(check: Callable[[], Awaitable[bool]], report: Callable[[bool], None]) -> None:
    """Report the browser's fitness every few seconds, until cancelled."""
    while True:
        report(await check())
        await asyncio.sleep(_WATCH_EVERY_S)
