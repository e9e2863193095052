"""When a schedule fires. Pure: time zones are data, the clock is the caller's.

`every` counts from an anchor and never drifts. `cron` is wall-clock time in a time zone. Around
changes of the clock (cronsim, after Debian's cron): a time that does not exist fires once, when the
gap is over; a time that exists twice fires the first time only; minutes and hours with `*` follow the
clock on the wall. A fire time may be spread by a jitter, which is a hash: the same for everybody.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_PROBE = datetime(2026, 1, 1, tzinfo=UTC)


class BadSchedule(ValueError):
    """The cron expression or the time zone is invalid; the text says why."""


def zone_of(name: str) -> ZoneInfo:
    """A time zone of the IANA database. Raises `BadSchedule`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as wrong:
        raise BadSchedule(f'there is no time zone "{name}"; write one like Europe/Berlin or UTC') from wrong


def check_cron(text: str) -> None:
    """Raises `BadSchedule` for what is no cron expression, or never fires."""
    expression = MACROS.get(text.strip(), text.strip())
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        macros = ", ".join(MACROS)
        raise BadSchedule(
            f"a cron expression has {len(_FIELDS)} fields ({', '.join(_FIELDS)}), "
            f"this one has {len(fields)}; or it is one of {macros}"
        )
    try:
        next(CronSim(expression, _PROBE))
    except CronSimError as wrong:
        raise BadSchedule(f"not a cron expression: {wrong}") from wrong
    except StopIteration as never:
        raise BadSchedule("this never fires") from never


def cron_fires(text: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The fire times after a moment, in UTC, without end."""
    expression = MACROS.get(text.strip(), text.strip())
    for moment in CronSim(expression, after.astimezone(zone)):
        yield moment.astimezone(UTC)


def every_fires(ms: int, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """The anchor and every so many milliseconds since; those after a moment."""
    step = timedelta(milliseconds=ms)
    count = max(1, (after - anchor) // step + 1)
    while True:
        yield anchor + step * count
        count += 1


def jitter(most_ms: int, *, schedule: str, fire: datetime) -> timedelta:
    """How much later than its time a fire starts: 0 to `most_ms`, always the same for one."""
    if most_ms <= 0:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule}\0{fire.isoformat()}".encode()).digest()
    return timedelta(milliseconds=int.from_bytes(digest[:8], "big") % (most_ms + 1))
