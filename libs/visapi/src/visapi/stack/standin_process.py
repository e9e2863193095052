"""A stand-in for the world outside as a supervised process of the stack."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from visapi.stack.ports import LOOPBACK, answers
from visapi.stack.processes import ProcessSpec


def standin(name: str, module: str, port: int, root: Path, *options: str) -> ProcessSpec:
    """One module of `visapi.stack.standins`, listening on `port`; its log lies below `root`."""
    short = name.rpartition("-")[2]
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"visapi.stack.standins.{module}", "--port", str(port), *options),
        env={"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1", "TZ": "UTC"},
        cwd=root,
        log=root / "logs" / f"{name}.log",
        ready=_accepts(port),
        ports={short: port},
        stop_s=5.0,
    )


def smtp_url(port: int) -> str:
    return f"smtp://{LOOPBACK}:{port}"


def _accepts(port: int) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return answers(port)

    return ready
