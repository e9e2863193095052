"""Effect keys and task tokens: keyed hashes of a task's place in its run (DESIGN 3.5).

An effect key never contains the attempt, so every attempt, replica and restart names the same
effect. A token does, so that a result can only answer the attempt it was given for.
"""

import hmac
from uuid import UUID


def _mac(secret: bytes, purpose: bytes, run: UUID, path: str, number: bytes) -> str:
    """Each part stands behind its length in four bytes; `number` has eight, or there is none."""
    place = path.encode()
    message = b"%b\0\0\0\x10%b%b%b" % (purpose, run.bytes, len(place).to_bytes(4, "big"), place)
    if number:
        message += b"\0\0\0\x08" + number
    return hmac.digest(secret, message, "sha256").hex()


def effect_key(secret: bytes, run: UUID, path: str, repetition: int = 0) -> str:
    """The 64 hex digits under which a task's effect is known to the world.

    `repetition` numbers what a retried block does again although it completed: another effect each time.
    """
    return _mac(secret, b"effect", run, path, repetition.to_bytes(8, "big") if repetition else b"")


def task_token(secret: bytes, run: UUID, path: str, attempt: int) -> str:
    """The 64 hex digits that a result must carry to be believed."""
    return _mac(secret, b"token", run, path, attempt.to_bytes(8, "big"))


def token_matches(expected: str, given: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(expected, given)
