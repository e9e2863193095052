"""A mail server of the stack's own that keeps every mail instead of delivering it (`visapi up --inbox`)."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from visapi.stack.ports import Reservation
from visapi.stack.processes import ProcessSpec
from visapi.stack.standin_process import smtp_url, standin

_USUAL_PORT = 1025


class Inbox:
    """The SMTP server as a process of the stack; its mails are files `<number>.eml` in `folder`."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._reservation = Reservation()
        self._port = self._reservation.choose({"mail": _USUAL_PORT})["mail"]

    def environment(self) -> dict[str, str]:
        """The setting that leads the notifier's mails here."""
        return {"VISAPI_SMTP_URL": smtp_url(self._port)}

    def spec(self) -> ProcessSpec:
        return standin("inbox", "smtp_sink", self._port, self._root, "--out", str(self._folder))


def mails(folder: Path) -> list[Path]:
    """What was kept, oldest first."""
    return sorted(folder.glob("*.eml"))


def read_mail(path: Path) -> EmailMessage:
    return message_from_bytes(path.read_bytes(), policy=policy.default)
