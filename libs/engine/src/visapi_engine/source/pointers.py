"""JSON pointers (RFC 6901): where things stand in a definition."""


def join(pointer: str, *parts: str | int) -> str:
    """The pointer of a member of what `pointer` names."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
