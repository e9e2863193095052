"""The versions of formats that replicas of different releases exchange, and those that this process writes.

Two releases run side by side while one replaces the other, and again when the change is taken back. So a
release reads the formats of the release before, and writes them until an operator tells it otherwise
(`VISAPI_WRITES`), once no replica of the release before is left. A message carries its version as `v`; so do
states, programs and rows of the inbox. A `v` that is absent is 1.

A new member that a reader may ignore changes no version. A version is raised when an older reader would
misunderstand: a new kind, a new meaning, a member that must be heeded. What has a higher version than a
process reads is left to replicas that read it (`NewerFormat`), and is never guessed at.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

Writes = Literal["0.1"]
"""The releases whose formats this release can write: the one before it, and its own."""


class Formats(msgspec.Struct, frozen=True, kw_only=True):
    """What one release writes."""

    release: str
    messages: int
    """NATS messages, and bodies of inbox rows."""
    state: int
    """`runs.state`, and `runs_done.resume`."""
    program: int
    """Compiled programs."""


KNOWN = (Formats(release="0.1", messages=1, state=1, program=1),)
"""Those that this release writes, oldest first. A release adds its line and keeps the one before. All stored
formats are read for as long as rows have them: a migration that contracts ends that.
"""

NEWEST = KNOWN[-1]


def choose(known: Sequence[Formats], release: str | None) -> Formats:
    """The formats to write. Untold, those of the release before, which every replica reads that may be
    running: an upgrade or a rollback needs no setting. Raises `ValueError` for a release that is not known.
    """
    if release is None:
        return known[-2] if len(known) > 1 else known[-1]
    for formats in known:
        if formats.release == release:
            return formats
    raise ValueError(
        f"this release writes the formats of {', '.join(one.release for one in known)}, not of {release}"
    )


class _Writer:
    """The choice of this process; it is made once, before anything is written."""

    formats = choose(KNOWN, None)


def write_as(release: str | None) -> None:
    """Choose for the whole process."""
    _Writer.formats = choose(KNOWN, release)


def written() -> Formats:
    """The formats that this process writes."""
    return _Writer.formats


def written_version() -> int:
    """The version of messages that this process writes. A factory, because `omit_defaults` would leave a
    plain default out.
    """
    return _Writer.formats.messages
