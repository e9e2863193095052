"""Finds the local account at the other end of a TCP connection (Linux: `/proc/net/tcp`)."""

import ipaddress
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_STATE, _UID, _INODE = 3, 7, 9

Address = tuple[str, int]


def uid_of_peer(ours: Address, theirs: Address) -> int | None:
    """The account whose socket is connected from `theirs` to `ours`; `None` when no local account owns it.

    A closed socket has no owner, although the table shows root.
    """
    for table in _TABLES:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        uid = find(lines, ours, theirs)
        if uid is not None:
            return uid
    return None


def find(lines: Iterable[str], ours: Address, theirs: Address) -> int | None:
    """The account of the line whose local end is `theirs` and whose remote end is `ours`."""
    wanted_local, wanted_remote = _spellings(theirs), _spellings(ours)
    for line in lines:
        fields = line.split()
        if fields[1] in wanted_local and fields[2] in wanted_remote:
            held = fields[_STATE] == _ESTABLISHED and fields[_INODE] != "0"
            return int(fields[_UID]) if held else None
    return None


def _spellings(address: Address) -> set[str]:
    """As the kernel writes it: the words of the address in the machine's own byte order."""
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        packed = [ip.packed, ipaddress.IPv6Address(f"::ffff:{ip}").packed]
    else:
        packed = [ip.packed, *([ip.ipv4_mapped.packed] if ip.ipv4_mapped is not None else [])]
    return {f"{_words(data)}:{address[1]:04X}" for data in packed}


def _words(packed: bytes) -> str:
    count = len(packed) // 4
    return "".join(f"{word:08X}" for word in struct.unpack(f"={count}I", packed))


def address_of(value: Any) -> Address | None:
    """What a transport says of one end, if it is a TCP address."""
    match value:
        case (str(host), int(port), *_):
            return host, port
        case _:
            return None
