"""Which endpoints of a tenant are sent what. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from visapi_common.core.endpoint_types import EVENT, TextPatterns


class WaitingNews(msgspec.Struct, frozen=True):
    """News that nobody was sent so far; `size` of its data, in bytes."""

    seq: int
    type: str
    about: str
    at: datetime
    size: int


class Subscription(msgspec.Struct, frozen=True):
    """An enabled endpoint, as it is stored."""

    endpoint: UUID
    types: Sequence[str]
    workflows: Sequence[str] | None
    sources: Sequence[str] | None
    created_at: datetime


class Message(NamedTuple):
    """One webhook to one endpoint."""

    endpoint: UUID
    news: int
    type: str
    size: int


def messages_of(subscriptions: Iterable[Subscription], waiting: Sequence[WaitingNews]) -> list[Message]:
    """In the order of the news. An endpoint is sent nothing of before it was made."""
    chosen = [
        (one, TextPatterns(one.types), TextPatterns(one.workflows), TextPatterns(one.sources))
        for one in subscriptions
    ]
    return [
        Message(one.endpoint, news.seq, news.type, news.size)
        for news in waiting
        for one, types, workflows, sources in chosen
        if one.created_at <= news.at
        and types.fit(news.type)
        and (sources if news.type.startswith(EVENT) else workflows).fit(news.about)
    ]
