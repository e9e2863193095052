"""Server-sent events of a stream of changes, as bytes. Pure."""


def change_event(data: bytes, position: str) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (position.encode(), data)


def begin_event(position: str) -> bytes:
    """The first event of a new stream: all changes that are committed from now on follow."""
    return b"id: %b\nevent: begin\ndata: {}\n\n" % position.encode()


def reset_event(position: str) -> bytes:
    """The client has missed changes: the client lists the runs, and continues from this position."""
    return b"id: %b\nevent: reset\ndata: {}\n\n" % position.encode()


def ping(position: str | None) -> bytes:
    """A comment and, without data, no event; the position is where the client goes on."""
    return b": ping\n\n" if position is None else b": ping\nid: %b\n\n" % position.encode()
