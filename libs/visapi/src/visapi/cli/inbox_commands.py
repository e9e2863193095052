"""`visapi inbox list|show`: the mails that a stack started with `visapi up --inbox` kept."""

import time
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir
from visapi.cli.output import console, fail, say
from visapi.cli.tables import Table
from visapi.stack.data_directory import DataDirectory
from visapi.stack.inbox import mails, read_mail

inbox = typer.Typer(no_args_is_help=True, help="Read the mails of `visapi up --inbox`.")
_POLL_S = 0.1


@inbox.command(name="list")
def list_(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List mails, oldest first."""
    found = mails(DataDirectory(data_dir).mail)
    if not found:
        say("no mails")
        return
    shown = Table("mail", "to", "subject", elastic=("to", "subject"))
    for path in found:
        mail = read_mail(path)
        shown.add_row(str(int(path.stem)), _header(mail, "To"), _header(mail, "Subject"))
    shown.show()


@inbox.command()
def show(
    number: Annotated[int, typer.Argument(min=1, help="The number of the mail in `visapi inbox list`.")],
    wait: Annotated[float, typer.Option(min=0, help="Wait up to this many seconds for the mail.")] = 0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show a mail: its head, its text, and where its file is."""
    folder = DataDirectory(data_dir).mail
    path = folder / f"{number:06d}.eml"
    if not _came(path, wait):
        fail(f"there is no mail {number} in {folder}", hint="`visapi inbox list` shows what came.")
    mail = read_mail(path)
    out = console()
    for name in ("From", "To", "Cc", "Subject"):
        if mail[name]:
            out.print(Text.assemble((f"{name}: ", "dim"), _header(mail, name)))
    body = mail.get_body(("plain", "html"))
    if body is not None:
        out.print_block(f"\n{body.get_content().strip()}")
    for part in mail.iter_attachments():
        out.print(Text.assemble(("attached: ", "dim"), part.get_filename() or part.get_content_type()))
    say(f"The whole mail is in {path}.")


def _came(path: Path, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while not path.exists():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _header(mail: EmailMessage, name: str) -> str:
    return str(mail.get(name, ""))
