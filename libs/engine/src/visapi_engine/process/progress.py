"""Which work of its batch an engine process has begun, in memory that its parent reads.

A process that is killed, or hangs, cannot report it any more. So the parent knows which run to blame.
"""

import mmap
import os
import tempfile
from typing import Self

_SIZE = mmap.PAGESIZE
_IDLE = 0
_COPIES = 16


class Progress:
    """One number. Written by the process, read by its parent."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._number = memoryview(shared).cast("I")

    @classmethod
    def open(cls) -> tuple[Self, int]:
        """A new one, and the file that the process is given; the caller closes it."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_SIZE)
            return cls(mmap.mmap(file.fileno(), _SIZE)), os.dup(file.fileno())

    @classmethod
    def from_descriptor(cls, file: int) -> Self:
        """The one in a file that the parent gave. The file is closed, and the copy of it that `mmap` keeps to
        grow: this process has no file but its socket.
        """
        shared = mmap.mmap(file, _SIZE)
        os.closerange(3, file + _COPIES)
        return cls(shared)

    def begin(self, number: int) -> None:
        self._number[0] = number + 1

    def idle(self) -> None:
        self._number[0] = _IDLE

    @property
    def at(self) -> int | None:
        """The place in the batch of the work that was begun last; None outside of a batch."""
        number = self._number[0]
        return None if number == _IDLE else number - 1
