"""Server-sent events (HTML standard, section 9.2) of a run's history, as bytes."""

PING = b": ping\n\n"


def item_event(seq: int, item: bytes) -> bytes:
    """One history item. JSON holds no raw line breaks inside, so one `data` line is enough."""
    return b"id: %d\ndata: %b\n\n" % (seq, b" ".join(item.splitlines()))


def end_event(seq: int, status: str) -> bytes:
    """The last event of a run's stream; the client need not reconnect."""
    return b'event: end\ndata: {"status":"%b","seq":%d}\n\n' % (status.encode(), seq)


def retry_after(milliseconds: int) -> bytes:
    """The time before a client reconnects."""
    return b"retry: %d\n\n" % milliseconds


def last_event_id(value: str) -> int:
    """The number in `Last-Event-ID` or `?after=`. Raises `ValueError` for anything else."""
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise ValueError(f"expected the number of a history item, not {value[:20]!r}")
    return int(value)
