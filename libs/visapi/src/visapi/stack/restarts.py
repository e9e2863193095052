"""Decides when a dead process is restarted. Pure."""

import msgspec

FIRST_DELAY_S = 0.1
DELAY_MAX_S = 10.0
HEALTHY_S = 20.0
"""After this long alive a death counts as a first one again."""
START_ATTEMPTS_MAX = 5
"""A process that never became ready so many times in a row stops the start of the whole stack."""
WRONG_SETTINGS = 2
"""The services' exit code for settings that no repetition makes right."""


class Record(msgspec.Struct, frozen=True):
    """What is remembered of one process: `quick_deaths` in a row, `restarts` since the stack began."""

    quick_deaths: int = 0
    restarts: int = 0


def after_death(record: Record, *, alive_s: float) -> tuple[Record, float]:
    """The new record, and how many seconds to wait before the next start."""
    quick = 1 if alive_s >= HEALTHY_S else record.quick_deaths + 1
    delay = min(FIRST_DELAY_S * 2.0 ** (quick - 1), DELAY_MAX_S)
    return Record(quick, record.restarts + 1), delay


def hopeless(record: Record, exit_code: int) -> bool:
    """Whether a process that is needed for the start has failed often enough to give up."""
    return exit_code == WRONG_SETTINGS or record.quick_deaths >= START_ATTEMPTS_MAX
