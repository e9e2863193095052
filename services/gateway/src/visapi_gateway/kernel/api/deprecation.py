"""The end of an operation, told in every answer: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime

from visapi_gateway.kernel.asgi.http import Header


@dataclass(frozen=True, slots=True)
class Deprecation:
    """An operation declares this as `deprecated`."""

    since: date
    instead: str
    """What to use from now on, as a sentence of the documentation."""
    guide: str
    """The address of a page about the change."""
    sunset: date | None = None
    """From when the operation may no longer answer."""

    def __post_init__(self) -> None:
        if self.sunset is not None and self.sunset < self.since:
            raise ValueError("an operation does not end before it is deprecated")

    def headers(self) -> list[Header]:
        """For every answer, whatever its outcome."""
        headers = [
            (b"deprecation", b"@%d" % _midnight(self.since).timestamp()),
            (b"link", f'<{self.guide}>; rel="deprecation"; type="text/html"'.encode()),
        ]
        if self.sunset is not None:
            headers.append((b"sunset", format_datetime(_midnight(self.sunset), usegmt=True).encode()))
        return headers

    def text(self) -> str:
        """For the documentation."""
        end = "" if self.sunset is None else f" It may end on {self.sunset}."
        return f"Deprecated since {self.since}.{end} {self.instead}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
