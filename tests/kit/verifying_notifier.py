"""A stand-in for the notifier that answers the gateway about accounts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from kit.servers import NatsServer
from visapi_common.adapters.bus import Bus, Message
from visapi_common.contracts import subjects
from visapi_common.contracts.accounts import AccountTried, TriedVersion, TryAccount

ACCEPTED = AccountTried([TriedVersion(1, "current", "accepted", "fine", 9)])


class VerifyingNotifier:
    """Keeps what it is asked, and gives `answer`."""

    def __init__(self) -> None:
        self.asked: list[TryAccount] = []
        self.answer = ACCEPTED

    def receive(self, message: Message) -> None:
        self.asked.append(msgspec.json.decode(message.data, type=TryAccount))
        message.respond(msgspec.json.encode(self.answer))


@asynccontextmanager
async def verifying_notifier(nats: NatsServer) -> AsyncIterator[VerifyingNotifier]:
    """One with the rights of the notifier."""
    bus = await Bus.connect(nats.url("notifier"), "notifier")
    standing = VerifyingNotifier()
    await bus.subscribe(subjects.CONTROL_ACCOUNTS, standing.receive, "notifier")
    await bus.flush()
    try:
        yield standing
    finally:
        await bus.close()
