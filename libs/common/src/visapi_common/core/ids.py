"""Identifiers: UUIDv7 (RFC 9562, section 5.7), built from parts so that the core stays pure."""

from typing import Protocol
from uuid import UUID


class Ids(Protocol):
    """The source of new identifiers (`adapters.clock.RandomIds`)."""

    def uuid7(self) -> UUID: ...


def uuid7_from(time_ms: int, random_bits: int) -> UUID:
    """A UUIDv7 of a Unix time in milliseconds and at least 74 random bits."""
    value = (time_ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= ((random_bits >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return UUID(int=value)


def time_ms_of(uuid7: UUID) -> int:
    """The Unix time in milliseconds that a UUIDv7 carries."""
    return uuid7.int >> 80
