"""`visapi demo`: a whole stack with stand-ins for the world outside, and the sample on it."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir
from visapi.cli.foreground import REFUSALS, Interruption, print_notice, running_stack
from visapi.cli.output import AUTHENTICATION, FAILURE, USAGE, console, fail
from visapi.client import ApiError, AsyncClient, UnreachableError
from visapi.demo.scenario import Sample, Scenario
from visapi.stack.data_directory import DataDirectory
from visapi.stack.demo_receivers import DemoReceivers
from visapi.stack.embedded import EmbeddedStack, StackOptions
from visapi_common.runtime.settings import FILE

_PATIENCE_S = 60.0
_DEFINITION = Path("examples/visa-approval.yaml")


def demo(
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    definition: Annotated[Path, typer.Option(help="The sample.")] = _DEFINITION,
    body: Annotated[Path, typer.Option("--input", help="Its input.")] = Path(
        "examples/visa-approval.input.json"
    ),
    keep: Annotated[bool, typer.Option(help="Leave the stack running until Ctrl-C.")] = False,
    url: Annotated[str | None, typer.Option(help="The gateway of a stack that runs elsewhere.")] = None,
    world: Annotated[
        Path | None,
        typer.Option(help="With --url: the folder in which the stand-ins of that stack keep what they got."),
    ] = None,
) -> None:
    """Deploy the sample, start it, watch it, and check that everything truly arrived.

    Without --url on a stack of its own; with it on the stack behind that gateway (key: VISAPI_API_KEY), whose
    stand-ins write into the folder --world.
    """
    for path in (definition, body):
        if not path.is_file():
            fail(f"{path} does not exist; run this in the checkout of VisAPI, or name it", code=USAGE)
    sample = Sample(definition, body)
    if url is not None:
        at, folder = (url, _key(url)), _folder(world)
        raise typer.Exit(asyncio.run(_refusing(_play(console(), folder, at, DemoReceivers(folder), sample))))
    raise typer.Exit(asyncio.run(_refusing(_on_local_stack(data_dir, sample, keep=keep))))


async def _refusing(demo: Coroutine[None, None, int]) -> int:
    """Its exit code; what refuses becomes a message."""
    out = console()
    try:
        return await demo
    except (*REFUSALS, ApiError, UnreachableError, TimeoutError) as error:
        detail = str(error) or f"the run did not end within {_PATIENCE_S:.0f} s"
        if not isinstance(error, ApiError):
            out.print_error(detail)
        else:
            out.print(Text.assemble(("error: ", "bold red"), detail))
            for mistake in error.problem.errors or ():
                out.print(f"  {mistake.pointer}  {mistake.detail}")
        return FAILURE


def _key(url: str) -> str:
    key = os.environ.get("VISAPI_API_KEY")
    if not key:
        fail(f"no key for {url}", hint="Set VISAPI_API_KEY.", code=AUTHENTICATION)
    return key


def _folder(world: Path | None) -> Path:
    if world is None or not world.is_dir():
        where = f"{world} is no folder" if world else "no folder was named"
        fail(f"what arrives cannot be checked: {where}", hint="Name it with --world.", code=USAGE)
    return world


async def _on_local_stack(data_dir: Path, sample: Sample, *, keep: bool) -> int:
    out = console()
    state = DataDirectory(data_dir).state()
    if state is not None and state.standins:
        return await _on_running_stack(out, data_dir, state.gateway, sample)
    if state is not None:
        data_dir = data_dir / "demo"
        out.print(f"A stack runs here already, without stand-ins; the demo starts its own in {data_dir}.")
    return await _on_own_stack(out, data_dir, sample, keep=keep)


async def _on_own_stack(out: Console, data_dir: Path, sample: Sample, *, keep: bool) -> int:
    world = DemoReceivers(data_dir)
    standins = world.environment()
    theirs = {name: value for name, value in os.environ.items() if name.removesuffix(FILE) not in standins}
    environ = {**theirs, **standins}
    options = StackOptions(data_dir=data_dir, environ=environ, standins=True)
    stack = EmbeddedStack(options, lambda notice: print_notice(notice, to=out))
    interruption = Interruption(stack.kill)
    interruption.install()
    async with running_stack(stack, interruption, world.specs()) as ready:
        if ready is None:
            return 130
        out.print()
        play = asyncio.ensure_future(_play(out, data_dir, (ready.gateway, ready.api_key), world, sample))
        waiter = asyncio.ensure_future(interruption.asked.wait())
        await asyncio.wait({play, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if not play.done():
            play.cancel()
            await asyncio.wait({play})
            return 130
        code = play.result()
        out.print()
        if keep:
            out.print(
                f"The stack keeps running on {ready.gateway}; its key is in "
                f"{stack.data.root / 'api-key'}. Ctrl-C stops it."
            )
            await interruption.asked.wait()
        else:
            out.print("The stack stops now and keeps its data; `make up` shows the run again.")
    return code


async def _on_running_stack(out: Console, data_dir: Path, gateway: str, sample: Sample) -> int:
    key = DataDirectory(data_dir).api_key()
    assert key is not None, "a stack that runs has a key"
    return await _play(out, data_dir, (gateway, key), DemoReceivers(data_dir), sample)


async def _play(
    out: Console, data_dir: Path, at: tuple[str, str], world: DemoReceivers, sample: Sample
) -> int:
    gateway, key = at
    async with asyncio.timeout(_PATIENCE_S), AsyncClient(gateway, key) as client:
        artifacts = DataDirectory(data_dir).artifacts
        scenario = Scenario(out, client, world, gateway=gateway, artifacts=artifacts)
        return 0 if await scenario.play(sample) else FAILURE
