"""The members of a stored program that lists show, decoded at a fraction of the cost of the whole program."""

from typing import Any

import msgspec

from visapi_engine.model.program import Validated


class ProgramFace(msgspec.Struct, frozen=True):
    """A few members of `Program`; the decoder skips the others."""

    document: dict[str, Any]
    input_schema: Validated | None = None


_decoder = msgspec.json.Decoder(ProgramFace)


def decode_face(body: bytes) -> ProgramFace:
    """Read these members of a stored program. Raises `msgspec.ValidationError` like `decode_program`."""
    return _decoder.decode(body)
