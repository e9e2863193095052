"""`visapi artifact get`: files that workflows made."""

from pathlib import Path
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, done, fail
from visapi.cli.terminal import write_content
from visapi.client import contents

artifacts = typer.Typer(no_args_is_help=True, help="Fetch artifacts: files that runs produced.")


@artifacts.callback()
def _group() -> None:
    """Fetch artifacts: files that runs produced."""


@artifacts.command()
def get(
    artifact: Annotated[str, typer.Argument(help="Its id, as in a run's output: <sha256>.<extension>")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; the default is the artifact's id."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Save an artifact as a file; `--output -` writes it to stdout."""
    with connected(url, data_dir) as client:
        content = client.send(contents.get_artifact(artifact))
    if str(output) == "-":
        write_content(content)
        return
    path = output or Path(Path(artifact).name)
    try:
        path.write_bytes(content)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}", code=USAGE)
    done(f"saved {path}, {len(content)} bytes")
