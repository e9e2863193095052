"""What lists show of a stored program, read at a small part of the cost of the whole."""

from typing import Any

import msgspec

from visapi_engine.model.program import Validated


class ProgramFace(msgspec.Struct, frozen=True):
    """A few members of `Program`; the others are passed over."""

    document: dict[str, Any]
    input_schema: Validated | None = None


_decoder = msgspec.json.Decoder(ProgramFace)


def decode_face(body: bytes) -> ProgramFace:
    """Read a stored program as far as lists show it. Raises `msgspec.ValidationError` as `decode_program`."""
    return _decoder.decode(body)
