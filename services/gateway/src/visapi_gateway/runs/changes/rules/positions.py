"""Positions among the changes of a tenant's runs. Pure.

A position is the transaction, the run and the number of the item up to which changes were seen. Changes are
read in the order of their transactions, up to the oldest transaction that is under way, so that nothing can
come before a position any more.
"""

from uuid import UUID

import msgspec

KEEP_S = 900
"""The largest age of a position from which a follower continues, in seconds. Missed changes are searched
among the rows of all tenants.
"""

Key = tuple[int, str, int]
"""A transaction, a run, and the number of an item."""

NO_RUN = str(UUID(int=0))


class Position(msgspec.Struct, frozen=True):
    """`time` is the Unix time in seconds at which the changes up to here were read."""

    xid: int
    run: str
    seq: int
    time: int

    @classmethod
    def at(cls, key: Key, time: int) -> "Position":
        return cls(*key, time)

    @classmethod
    def read(cls, text: str) -> "Position":
        """From `text`, whose signature was checked. Raises `ValueError`."""
        xid, run, seq, time = text.split(" ")
        return cls(int(xid), run, int(seq), int(time))

    @property
    def text(self) -> str:
        return f"{self.xid} {self.run} {self.seq} {self.time}"

    @property
    def key(self) -> Key:
        return (self.xid, self.run, self.seq)

    @property
    def names_a_run(self) -> bool:
        """Whether the position contains the id of a run."""
        return self.run != NO_RUN

    def is_kept(self, now: int) -> bool:
        return now - self.time <= KEEP_S


def before_transaction(xid: int) -> Key:
    """The place before all changes of the transaction `xid` and of later ones."""
    return (xid, NO_RUN, 0)
