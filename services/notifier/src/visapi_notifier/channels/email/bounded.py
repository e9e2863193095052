"""Makes small mails in the event loop, and large ones in bounded processes."""

from visapi_common.runtime.bounded_processes import BoundedProcesses, Bounds, Job
from visapi_notifier.channels.email.jobs import MailRequest, encode_order, mail_of, read_made
from visapi_notifier.channels.email.rules.message import Mail
from visapi_notifier.outbound.bounded import MIB, run_on_input

MAIL = Job(
    "mail",
    "visapi_notifier.channels.email.jobs:make_mail",
    Bounds(
        cpu_ms=30_000,
        wall_ms=60_000,
        memory_bytes=1024 * MIB,
        input_bytes=48 * MIB,
        output_bytes=32 * MIB,
        files=8,
    ),
)
WARM_UP = "visapi_notifier.channels.email.jobs:warm_up"
MADE_IN_LOOP_BYTES = 8 * 1024
"""Of the texts of a mail without attachments: the worst case takes below 40 ms, most for 100 recipients."""


class BoundedMails:
    """Makes messages."""

    def __init__(self, processes: BoundedProcesses) -> None:
        self._processes = processes

    async def make(self, tenant: str, order: MailRequest) -> Mail:
        """The message. Raises `ProblemError` and `TransientFault`."""
        wanted = order.wanted
        if not order.files and len(wanted.text or "") + len(wanted.html or "") <= MADE_IN_LOOP_BYTES:
            return mail_of(order)
        return read_made(await run_on_input(self._processes, tenant, MAIL, encode_order(order)))
