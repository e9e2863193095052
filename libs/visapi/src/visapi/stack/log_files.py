"""Logs of the embedded stack: cut each day and at 16 MiB, kept for 30 days within 64 MiB for each process.

A process appends to its log, so the log is copied and emptied in place; a line that is written in that
moment may be lost.
"""

import contextlib
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

PIECE_BYTES = 16 * 1024 * 1024
"""A longer log is cut."""
KEPT_BYTES = 3 * PIECE_BYTES
"""What the pieces of one process may take beside its log; the oldest go first."""
KEPT = timedelta(days=29)
"""How long a piece is kept after it was cut. It holds a day at most, so no line is older than 30 days."""
_STAMP = "%Y%m%dT%H%M%S.%fZ"


class LogFile:
    """The log of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._day: date | None = None

    def begin(self, now: datetime) -> None:
        """Make the log ready for a process that starts: a log of another day is cut."""
        if self._path.exists():
            self._day = datetime.fromtimestamp(self._path.stat().st_mtime, UTC).date()
        self.bound(now)
        self._path.touch(mode=0o600)

    def bound(self, now: datetime) -> None:
        """Cut the log when it is too long or of another day, and delete pieces that were kept long enough."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size and (size > PIECE_BYTES or self._day not in (None, now.date())):
            self._cut(now)
            self._expire(now)
        elif self._day != now.date():
            self._expire(now)
        self._day = now.date()

    def pieces(self) -> list[Path]:
        """What was cut off, oldest first."""
        return sorted(self._path.parent.glob(f"{self._path.name}.*Z"))

    def _cut(self, now: datetime) -> None:
        piece = self._path.with_name(f"{self._path.name}.{now.strftime(_STAMP)}")
        try:
            piece.touch(mode=0o600)
            shutil.copyfile(self._path, piece)
        except OSError:
            # Without room for a copy the log is emptied all the same: it must not fill the disk.
            with contextlib.suppress(OSError):
                piece.unlink(missing_ok=True)
        with self._path.open("r+b") as log:
            log.truncate(0)

    def _expire(self, now: datetime) -> None:
        kept = 0
        for piece in reversed(self.pieces()):
            kept += piece.stat().st_size
            if kept > KEPT_BYTES or _cut_at(piece) <= now - KEPT:
                piece.unlink(missing_ok=True)


def _cut_at(piece: Path) -> datetime:
    """When a piece was cut, by its name."""
    stamp = ".".join(piece.name.rsplit(".", 2)[-2:])
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(piece.stat().st_mtime, UTC)
