"""The address of a hook: 160 random bits, which are all that leads to it. Pure."""

import re

PATH = "/v1/hooks/in/"
_ADDRESS = re.compile(r"[0-9a-f]{40}")


def address_of(random: bytes) -> str:
    return random.hex()


def may_be_address(text: str) -> bool:
    """Whether a lookup could find anything."""
    return _ADDRESS.fullmatch(text) is not None


def path_of(address: str) -> str:
    return PATH + address
