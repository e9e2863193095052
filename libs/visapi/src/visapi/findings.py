"""What a check found: of a cluster (`visapi admin doctor`), or of a gateway (`visapi doctor`)."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    level: Level
    what: str
    detail: str
