"""Effect keys and task tokens: keyed hashes of a task's place in its run.

An effect key does not contain the attempt, so every attempt, replica and restart has the same key. A token
does, so that a result is accepted only for its own attempt.
"""

import hmac
from uuid import UUID

from visapi_common.core.keyrings import Keyring


def _mac(secret: bytes, purpose: bytes, run: UUID, path: str, number: bytes) -> str:
    """Each part is prefixed with its length (four bytes). `number` has eight bytes, or is left out."""
    place = path.encode()
    message = b"%b\0\0\0\x10%b%b%b" % (purpose, run.bytes, len(place).to_bytes(4, "big"), place)
    if number:
        message += b"\0\0\0\x08" + number
    return hmac.digest(secret, message, "sha256").hex()


def effect_key(secret: bytes, run: UUID, path: str, repetition: int = 0) -> str:
    """The effect key of a task, 64 hex digits, which receivers see.

    `repetition` counts executions of a completed task that a retried block repeats; each is another effect.
    """
    return _mac(secret, b"effect", run, path, repetition.to_bytes(8, "big") if repetition else b"")


def task_token(secret: bytes, run: UUID, path: str, attempt: int) -> str:
    """The token that a result must carry, 64 hex digits."""
    return _mac(secret, b"token", run, path, attempt.to_bytes(8, "big"))


def token_proves(keys: Keyring, run: UUID, path: str, attempt: int, *, given: str) -> bool:
    """Whether a key of the ring made the token. A replica that was restarted late may have used another key
    than the run's. Compared in constant time.
    """
    return given.isascii() and any(
        hmac.compare_digest(task_token(key.secret, run, path, attempt), given) for key in keys.keys
    )
