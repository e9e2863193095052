"""Publishes tasks: new tasks, released tasks, and lost tasks again."""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

from visapi_orchestrator.kernel.ports import Publisher
from visapi_orchestrator.transitions.rules.open_tasks import StoredTask


def send(publisher: Publisher, subject: str, tasks: Sequence[StoredTask]) -> None:
    """Publish tasks. Raises `TransientFault` without a connection; the sweep sends the tasks then."""
    for task in tasks:
        run = str(task.run)
        # Another id per send: within its window the stream drops a repeated one silently.
        headers = {
            "Nats-Msg-Id": f"{run}:{task.token[:16]}:{task.send}",
            "Visapi-Run": run,
            "Visapi-Task": _quoted(task.path),
            "Visapi-Attempt": str(task.attempt),
            "Visapi-Effect-Key": task.effect_key,
        }
        if task.trace is not None:
            headers["traceparent"] = task.trace
        publisher.publish(subject, task.body, headers)


@lru_cache(1024)
def _quoted(path: str) -> str:
    """Cached, because the runs of a workflow have the same task paths."""
    return quote(path, safe="/@,~")
