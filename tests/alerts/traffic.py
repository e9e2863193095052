"""The ordinary work of a small installation, for as long as a trial lasts."""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import httpx

from alerts.ground import Ground

STEADY = """
  - pause: {wait: {seconds: 1}}
  - tell: {emit: {event: {with: {source: /alerts, type: steady}}}}
  - ask: {call: http, with: {method: get, endpoint: 'URL/ok'}}
"""
LETTER = """
  - print: {call: pdf.render, with: {html: '<h1>alerts</h1>'}}
  - send: {call: notify.email, with: {to: a@example.com, subject: alerts, text: printed}}
"""
EVERY_S = 0.25
LETTER_EACH = 12


def prepare(ground: Ground) -> None:
    ground.deploy("steady", STEADY.replace("URL", ground.receivers.hanging_url))
    ground.deploy("letter", LETTER)
    ground.deploy("nightly", "  - note: {set: {done: true}}", schedule="{every: {seconds: 5}}")


@contextlib.contextmanager
def traffic(ground: Ground) -> Iterator[threading.Event]:
    """Runs are started until the end; while the event is set, none are. A client that is refused tries the next."""
    night, over = threading.Event(), threading.Event()

    def start_runs() -> None:
        for number in itertools.count():
            if over.wait(EVERY_S):
                return
            if not night.is_set():
                with contextlib.suppress(httpx.TransportError, AssertionError):
                    ground.begin("steady" if number % LETTER_EACH else "letter")

    thread = threading.Thread(target=start_runs, daemon=True)
    thread.start()
    try:
        yield night
    finally:
        over.set()
        thread.join()
