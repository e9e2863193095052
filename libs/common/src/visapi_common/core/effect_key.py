"""Effect keys and task tokens: keyed hashes of a task's place in its run (DESIGN 3.5).

An effect key never contains the attempt, so every attempt, replica and restart names the same
effect. A token does, so that a result can only answer the attempt it was given for.
"""

import hmac
from uuid import UUID


def _mac(secret: bytes, purpose: bytes, *parts: bytes) -> str:
    message = purpose + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(secret, message, "sha256").hex()


def effect_key(secret: bytes, run: UUID, path: str, repetition: int = 0) -> str:
    """The 64 hex digits under which a task's effect is known to the world.

    `repetition` numbers what a retried block does again although it completed: another effect each time.
    """
    again = (repetition.to_bytes(8, "big"),) if repetition else ()
    return _mac(secret, b"effect", run.bytes, path.encode(), *again)


def task_token(secret: bytes, run: UUID, path: str, attempt: int) -> str:
    """The 64 hex digits that a result must carry to be believed."""
    return _mac(secret, b"token", run.bytes, path.encode(), attempt.to_bytes(8, "big"))


def token_matches(expected: str, given: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(expected, given)
