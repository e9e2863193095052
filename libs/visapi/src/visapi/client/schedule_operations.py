"""The operations of schedules as values; see `client.operations`. Pure."""

import msgspec

from visapi.client.call import Call, keyed_post, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.schedules import Backfill, Backfilled, SchedulePage, ScheduleView


class StartedRun(msgspec.Struct, frozen=True):
    """The run that a trigger started."""

    run: str


def list_schedules(*, limit: int = 200, cursor: str | None = None) -> Call[SchedulePage]:
    """Schedules, by the names of their workflows."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/schedules", answer=SchedulePage, params=params, repeatable=True)


def get_schedule(namespace: str, name: str) -> Call[ScheduleView]:
    """A schedule with its next times and its latest decisions."""
    return Call(method="GET", path=_path(namespace, name), answer=ScheduleView, repeatable=True)


def pause_schedule(namespace: str, name: str) -> Call[ScheduleView]:
    """Start nothing more, until the schedule is resumed."""
    path = f"{_path(namespace, name)}/pause"
    return Call(method="POST", path=path, answer=ScheduleView, repeatable=True)


def resume_schedule(namespace: str, name: str) -> Call[ScheduleView]:
    """Start runs again, from now on."""
    path = f"{_path(namespace, name)}/resume"
    return Call(method="POST", path=path, answer=ScheduleView, repeatable=True)


def trigger_schedule(namespace: str, name: str, *, idempotency_key: str | None = None) -> Call[StartedRun]:
    """Start a run of the schedule now."""
    return keyed_post(f"{_path(namespace, name)}/trigger", StartedRun, idempotency_key=idempotency_key)


def backfill_schedule(
    namespace: str, name: str, wanted: Backfill, *, idempotency_key: str | None = None
) -> Call[Backfilled]:
    """Run the times of a range that were never run; each time runs once, so a repeated request is one."""
    path, body = f"{_path(namespace, name)}/backfill", msgspec.json.encode(wanted)
    return keyed_post(path, Backfilled, body, idempotency_key=idempotency_key)


def _path(namespace: str, name: str) -> str:
    return f"/v1/schedules/{_part(namespace)}/{_part(name)}"
