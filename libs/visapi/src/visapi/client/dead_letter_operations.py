"""Edits and replays of many dead letters as values; see `client.operations`. Pure."""

import msgspec

from visapi.client.call import Call
from visapi.client.call import path_part as _part
from visapi_common.contracts.dead_letters import (
    CountReplay,
    DeadLetterView,
    EditDeadLetter,
    ReplayCount,
    ReplayDeadLetter,
    ReplayFilter,
    ReplayPage,
    ReplayView,
    StartReplay,
)

_JSON = {"Content-Type": "application/json"}
_REPLAYS = "/v1/dead-letters/replays"


def edit_dead_letter(letter: str, event: bytes, *, reason: str | None = None) -> Call[DeadLetterView]:
    """Replace the event of a letter; 409 where something of it may have happened."""
    body = msgspec.json.encode(EditDeadLetter(msgspec.Raw(event), reason))
    path = f"/v1/dead-letters/{_part(letter)}/edit"
    return Call(method="POST", path=path, answer=DeadLetterView, headers=_JSON, body=body)


def count_replay(wanted: ReplayFilter) -> Call[ReplayCount]:
    """How many letters a replay would take."""
    body = msgspec.json.encode(CountReplay(wanted))
    path = f"{_REPLAYS}/count"
    return Call(method="POST", path=path, answer=ReplayCount, headers=_JSON, body=body, repeatable=True)


def start_replay(wanted: StartReplay, *, idempotency_key: str) -> Call[ReplayView]:
    """Replay many letters."""
    return Call(
        method="POST",
        path=_REPLAYS,
        answer=ReplayView,
        headers={**_JSON, "Idempotency-Key": idempotency_key},
        body=msgspec.json.encode(wanted),
        repeatable=True,
    )


def list_replays(*, limit: int = 50, cursor: str | None = None) -> Call[ReplayPage]:
    """Replays of many letters, newest first."""
    params: dict[str, str | list[str]] = {"limit": str(limit)}
    if cursor:
        params["cursor"] = cursor
    return Call(method="GET", path=_REPLAYS, answer=ReplayPage, params=params, repeatable=True)


def get_replay(replay: str) -> Call[ReplayView]:
    return Call(method="GET", path=f"{_REPLAYS}/{_part(replay)}", answer=ReplayView, repeatable=True)


def abort_replay(replay: str, *, reason: str | None = None) -> Call[ReplayView]:
    """Ask for no more letters; 409 when the replay has ended."""
    body = msgspec.json.encode(ReplayDeadLetter(reason))
    return Call(
        method="POST", path=f"{_REPLAYS}/{_part(replay)}/abort", answer=ReplayView, headers=_JSON, body=body
    )
