"""A request as providers sign it: raw bytes, and headers that stand in it once. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from visapi_common.contracts.hooks import RefusalReason

_TIMESTAMP_DIGITS_MAX = 11


class HookRequest(msgspec.Struct, frozen=True):
    """Header names in lower case. A header that was given twice is left out: whatever stood between the
    provider and VisAPI may have read the other one.
    """

    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> "HookRequest":
        single: dict[str, str] = {}
        repeated: set[str] = set()
        for raw_name, value in headers:
            name = raw_name.decode("latin-1").lower()
            if name in single:
                repeated.add(name)
            single[name] = value.decode("latin-1")
        return cls({name: text for name, text in single.items() if name not in repeated}, body)

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())


class Refused(msgspec.Struct, frozen=True):
    """Why a request is refused. The sender never sees it; whoever may read the hook does."""

    reason: RefusalReason
    detail: str


class Genuine(msgspec.Struct, frozen=True):
    """The request is the provider's. `signed_at`: the time that the signature covers, if it covers one."""

    signed_at: datetime | None = None


Verdict = Genuine | Refused


def fresh(text: str | None, now: datetime, tolerance_s: int) -> Verdict:
    """Whether a signed timestamp (Unix seconds) is near enough; asked after the signature was found right."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _TIMESTAMP_DIGITS_MAX:
        return Refused("timestamp", "the timestamp is missing, or is no number of seconds")
    signed_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(text))
    off_s = (now - signed_at).total_seconds()
    if abs(off_s) > tolerance_s:
        side = "old" if off_s > 0 else "ahead"
        detail = f"the timestamp is {abs(round(off_s))} s {side}, at most {tolerance_s} s are allowed"
        return Refused("timestamp", f"{detail}; compare the clocks")
    return Genuine(signed_at)


MISSING = Refused("signature", "the signature is missing, or stands there twice")
WRONG = Refused(
    "signature", "the signature is wrong: another secret, or another body than the one that was signed"
)
