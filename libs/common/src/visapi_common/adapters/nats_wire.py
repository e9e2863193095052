"""nats-py's client with two short cuts that the hot paths need (nats-py 2.16.0, pinned by hash).

Inbound: a subscription may have a *sink*, a plain function called from the read loop with the raw
parts of a message; nothing is queued, no task wakes, headers stay bytes until somebody asks.
Outbound: `send` appends a command and kicks the flusher without an await. Connecting, TLS,
authentication, pings and reconnecting remain nats-py's own. This is the only file that relies on
its protected names.
"""

import asyncio
import re
from collections.abc import Callable, Mapping

from nats.aio.client import Client
from nats.aio.subscription import Subscription

from visapi_common.core.errors import PermanentFault

_SUBJECT = re.compile(r"[!-)+-=?-~]+")
_HEADER_NAME = re.compile(r"[!-9;-~]+")

Sink = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Called with subject, reply, body and raw headers. Must neither block nor raise."""


class WireClient(Client):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self._sinks: dict[int, Sink] = {}

    async def add_sink(self, subject: str, queue: str, sink: Sink) -> int:
        """Subscribe and return the subscription's number; replayed by nats-py after a reconnect."""
        self._sid += 1
        sid = self._sid
        self._sinks[sid] = sink
        subscription = Subscription(self, sid, subject, queue=queue)
        self._subs[sid] = subscription
        self.send(f"SUB {subject} {queue} {sid}\r\n".encode())
        return sid

    def drop_sink(self, sid: int) -> None:
        self._sinks.pop(sid, None)
        if self._subs.pop(sid, None) is not None and self.is_connected:
            self.send(f"UNSUB {sid}\r\n".encode())

    def send(self, wire_command: bytes) -> None:
        """Queue one protocol command; all commands of one turn of the loop leave in one write."""
        self._pending.append(wire_command)
        self._pending_data_size += len(wire_command)
        queue = self._flush_queue
        if queue is not None and queue.empty():
            queue.put_nowait(asyncio.get_running_loop().create_future())

    @property
    def backlog(self) -> int:
        """Bytes queued but not yet written to the socket."""
        return self._pending_data_size

    def forget_backlog(self) -> None:
        """Drop what a lost connection left unsent, so that nothing is published as a ghost later."""
        self._pending = []
        self._pending_data_size = 0

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        sink = self._sinks.get(sid)
        if sink is not None:
            sink(subject, reply, data, headers)
        else:
            await super()._process_msg(sid, subject, reply, data, headers or b"")


def publish_command(subject: str, reply: str, body: bytes, headers: Mapping[str, str] | None) -> bytes:
    """A PUB or HPUB command (NATS client protocol).

    Raises `PermanentFault` for a subject or header that would break the protocol's lines: a name
    that reached this far unchecked must not be able to smuggle a command.
    """
    if not _SUBJECT.fullmatch(subject):
        raise PermanentFault(f"NATS subject {subject!r} may only hold visible ASCII, without empty tokens")
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(body), body)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or "\r" in value or "\n" in value:
            raise PermanentFault(f"NATS header {name!r} may not hold line ends")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(head) + len(body)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), len(head), size, head, body)


def status_of(headers: bytes | None) -> int:
    """The status code of a server's message (`NATS/1.0 409 …`), or 0 for an ordinary one."""
    if not headers or headers[8:9] != b" ":
        return 0
    code = headers[9:12]
    return int(code) if code.isdigit() else 0


def parse_headers(headers: bytes | None) -> dict[str, str]:
    """The headers of a message; of a status message, the description under `Description` too."""
    if not headers:
        return {}
    first, *lines = headers.split(b"\r\n")
    parsed: dict[str, str] = {}
    if len(first) > 13:
        parsed["Description"] = first[13:].decode("utf-8", "replace")
    for line in lines:
        name, separator, value = line.partition(b":")
        if separator:
            parsed[name.strip().decode("ascii", "replace")] = value.strip().decode("utf-8", "replace")
    return parsed
