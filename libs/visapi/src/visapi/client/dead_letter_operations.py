"""The operations of dead letters, one by one and many at once, as values; see `client.operations`. Pure."""

from datetime import datetime

import msgspec

from visapi.client.call import JSON, Call, keyed_post, query, time_text
from visapi.client.call import path_part as _part
from visapi_common.contracts.dead_letters import (
    CountReplay,
    DeadLetterPage,
    DeadLetterView,
    EditDeadLetter,
    ReplayCount,
    ReplayDeadLetter,
    ReplayFilter,
    ReplayPage,
    ReplayView,
    ResolveDeadLetter,
    StartReplay,
)
from visapi_common.contracts.engine_messages import Decision

_LETTERS = "/v1/dead-letters"
_REPLAYS = f"{_LETTERS}/replays"


def list_dead_letters(  # noqa: PLR0913 (each is a parameter of the API)
    *,
    kind: str | None = None,
    resolved: bool | None = None,
    reason: str | None = None,
    function: str | None = None,
    workflow: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Call[DeadLetterPage]:
    """Dead letters, newest first; without `resolved` open and resolved ones."""
    said = None if resolved is None else str(resolved).lower()
    times = {"created_after": time_text(created_after), "created_before": time_text(created_before)}
    only = {"kind": kind, "reason": reason, "function": function, "workflow": workflow, **times}
    params = query(limit, resolved=said, cursor=cursor, **only)
    return Call(method="GET", path=_LETTERS, answer=DeadLetterPage, params=params, repeatable=True)


def get_dead_letter(letter: str) -> Call[DeadLetterView]:
    return Call(method="GET", path=_path(letter), answer=DeadLetterView, repeatable=True)


def resolve_dead_letter(
    letter: str, decision: Decision, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[DeadLetterView]:
    """Resolve an uncertain effect; 409 when it was resolved before."""
    path, body = f"{_path(letter)}/resolve", msgspec.json.encode(ResolveDeadLetter(decision, reason))
    return keyed_post(path, DeadLetterView, body, idempotency_key=idempotency_key)


def replay_dead_letter(
    letter: str, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[DeadLetterView]:
    """Ask for a letter to be put back; 409 where its kind cannot be, or when it was resolved before."""
    path, body = f"{_path(letter)}/replay", msgspec.json.encode(ReplayDeadLetter(reason))
    return keyed_post(path, DeadLetterView, body, idempotency_key=idempotency_key)


def edit_dead_letter(
    letter: str, event: bytes, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[DeadLetterView]:
    """Replace the event of a letter; 409 where something of it may have happened."""
    path, body = f"{_path(letter)}/edit", msgspec.json.encode(EditDeadLetter(msgspec.Raw(event), reason))
    return keyed_post(path, DeadLetterView, body, idempotency_key=idempotency_key)


def count_replay(wanted: ReplayFilter) -> Call[ReplayCount]:
    """How many letters a replay would take."""
    return Call(
        method="POST",
        path=f"{_REPLAYS}/count",
        answer=ReplayCount,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(CountReplay(wanted)),
        repeatable=True,
    )


def start_replay(wanted: StartReplay, *, idempotency_key: str | None = None) -> Call[ReplayView]:
    """Replay many letters."""
    return keyed_post(_REPLAYS, ReplayView, msgspec.json.encode(wanted), idempotency_key=idempotency_key)


def list_replays(*, limit: int = 50, cursor: str | None = None) -> Call[ReplayPage]:
    """Replays of many letters, newest first."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path=_REPLAYS, answer=ReplayPage, params=params, repeatable=True)


def get_replay(replay: str) -> Call[ReplayView]:
    return Call(method="GET", path=f"{_REPLAYS}/{_part(replay)}", answer=ReplayView, repeatable=True)


def abort_replay(
    replay: str, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[ReplayView]:
    """Ask for no more letters; 409 when the replay has ended."""
    path, body = f"{_REPLAYS}/{_part(replay)}/abort", msgspec.json.encode(ReplayDeadLetter(reason))
    return keyed_post(path, ReplayView, body, idempotency_key=idempotency_key)


def _path(letter: str) -> str:
    return f"{_LETTERS}/{_part(letter)}"
