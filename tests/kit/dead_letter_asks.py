"""A request of each POST about dead letters, and the same with another body or target."""

from typing import Any

import httpx

EVENT = {"specversion": "1.0", "id": "1", "source": "/theirs", "type": "paid"}
LETTERS = "/v1/dead-letters"


def dead_letter_asks(letter: str, held: str, replay: str) -> dict[str, tuple[str, Any, str, Any]]:
    """In an order in which each can be carried out."""
    paths = {name: f"{LETTERS}/{letter}/{name}" for name in ("edit", "replay")}
    resolve, replays, abort = (
        f"{LETTERS}/{held}/resolve",
        f"{LETTERS}/replays",
        f"{LETTERS}/replays/{replay}/abort",
    )
    timers, inbox = [{"filter": {"kind": kind}} for kind in ("timer", "inbox")]
    return {
        "resolveDeadLetter": (resolve, {"decision": "fault"}, resolve, {"decision": "retry"}),
        "editDeadLetter": (paths["edit"], {"event": EVENT}, paths["edit"], {"event": EVENT, "reason": "x"}),
        "startReplay": (replays, timers, replays, inbox),
        "abortReplay": (abort, {}, abort, {"reason": "x"}),
        "replayDeadLetter": (paths["replay"], {}, paths["replay"], {"reason": "x"}),
    }


async def kept_replay(client: httpx.AsyncClient) -> str:
    """The id of a replay of many dead letters that runs."""
    answer = await client.post(f"{LETTERS}/replays", json={"filter": {"kind": "timer"}})
    return answer.json()["id"]
