"""JSON pointers (RFC 6901) into a definition."""


def join(pointer: str, *parts: str | int) -> str:
    """The pointer of a member of the value at `pointer`."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
