"""The door through which Chaos Toolkit strikes, heals and measures: a few paths over HTTP.

| path | what it does | answer |
|---|---|---|
| `GET /value?query=…` | asks Prometheus | the sum of the result, or `no data` |
| `POST /strike/{blow}`, `POST /heal/{blow}` | does it, and notes when | the seconds that it took |
| `GET /heard/{blow}?alert=…&within=…` | waits until the alert arrives at its receiver | the seconds since the blow |
| `GET /moved/{blow}?query=…&within=…` | waits until the query is above 0 | the seconds since the blow |
| `GET /released/{blow}?within=…` | waits until PostgreSQL holds no transaction of an orchestrator from before the blow | the seconds since the blow |
| `GET /recovered/{blow}?within=…` | waits until no run from before the healing is open | the seconds since the healing |

What was waited for in vain is answered `504`. All moments stay in `Diary`, from which the report is written.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from gamedays.blows import BLOWS
from gamedays.place import Place
from visapi.stack.standins.http_server import HttpServer, Request, Response

_EVERY_S = 0.2


@dataclass
class Entry:
    """What happened to one blow."""

    name: str
    what: str
    struck_at: float
    healed_at: float = 0.0
    """0 while it lasts; the moment of the blow itself, where it heals by itself."""
    detected: dict[str, float | None] = field(default_factory=dict[str, float | None])
    """Seconds from the blow until an alert was at its receiver, or until a metric moved; None: it did not."""
    released: dict[str, float | None] = field(default_factory=dict[str, float | None])
    """Seconds from the blow until something was let go of; None: it was not."""
    recovered_s: float | None = None
    """Seconds from the healing until every run from before had ended or was held; known when the day is over."""


class Door:
    """See the module's docstring."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._server = HttpServer(self._answer)
        self._lasting: dict[str, ExitStack] = {}
        self.diary: dict[str, Entry] = {}

    def open(self) -> str:
        return self._place.ground.loop.run(self._server.start())

    def close(self) -> None:
        """Heal what was not healed."""
        for name in list(self._lasting):
            self._heal(name)
        self._place.ground.loop.run(self._server.stop())

    async def _answer(self, request: Request) -> Response:
        parts = urlsplit(request.target)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        verb, _, name = parts.path.strip("/").partition("/")
        # Everything behind blocks, and some of it on this very loop.
        found = await asyncio.to_thread(self._do, verb, name, asked)
        if found is None:
            return Response(504, b"not within the time", {"content-type": "text/plain"})
        text = found if isinstance(found, str) else f"{found:.3f}"
        return Response(200, text.encode(), {"content-type": "text/plain"})

    def _do(self, verb: str, name: str, asked: dict[str, str]) -> str | float | None:
        within_s = float(asked.get("within", "0"))
        match verb:
            case "value":
                value = self._value(asked["query"])
                return "no data" if value is None else value
            case "strike":
                return self._strike(name)
            case "heal":
                return self._heal(name)
            case "heard":
                return self._heard(name, asked["alert"], within_s)
            case "moved":
                moved = self._waited(lambda: (self._value(asked["query"]) or 0) > 0, within_s)
                return self._detected(name, asked["called"], time.time() if moved else None)
            case "released":
                return self._released(name, within_s)
            case "recovered":
                return self._recovered(name, within_s)
            case _:
                raise ValueError(f"the door knows no {verb}")

    def _value(self, query: str) -> float | None:
        found = self._place.watching.query(query)
        return sum(float(each["value"][1]) for each in found) if found else None

    def _strike(self, name: str) -> float:
        blow, healing = BLOWS[name], ExitStack()
        began = time.time()
        healing.enter_context(blow.strike(self._place))
        entry = self.diary[name] = Entry(name, blow.what, time.time())
        self._lasting[name] = healing
        if blow.heals:
            self._heal(name)
            entry.healed_at = entry.struck_at
        return entry.struck_at - began

    def _heal(self, name: str) -> float:
        entry, healing = self.diary[name], self._lasting.pop(name)
        entry.healed_at = time.time()
        healing.close()
        return time.time() - entry.healed_at

    def _heard(self, name: str, alert: str, within_s: float) -> float | None:
        since = self.diary[name].struck_at
        heard = self._waited(lambda: self._place.alarms.first(alert, since) is not None, within_s)
        notice = self._place.alarms.first(alert, since) if heard else None
        return self._detected(name, f"alert {alert}", None if notice is None else notice.at)

    def _detected(self, name: str, how: str, at: float | None) -> float | None:
        entry = self.diary[name]
        entry.detected[how] = None if at is None else at - entry.struck_at
        return entry.detected[how]

    def _released(self, name: str, within_s: float) -> float | None:
        entry = self.diary[name]
        if self._waited(lambda: not self._place.transactions_before(entry.struck_at), within_s):
            entry.released["open transactions of the orchestrators"] = after_s = time.time() - entry.struck_at
            return after_s
        for held in self._place.transactions_before(entry.struck_at):
            entry.released[f"a transaction, {held},"] = None
        return None

    def _recovered(self, name: str, within_s: float) -> float | None:
        healed_at = self.diary[name].healed_at
        ended = self._waited(lambda: self._place.open_before(healed_at) == 0, within_s)
        return time.time() - healed_at if ended else None

    @staticmethod
    def _waited(condition: Callable[[], bool], within_s: float) -> bool:
        deadline = time.time() + within_s
        while not condition():
            if time.time() > deadline:
                return False
            time.sleep(_EVERY_S)
        return True
