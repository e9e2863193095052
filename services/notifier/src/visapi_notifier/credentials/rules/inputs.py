"""The input of a task on its way to a call: what is asked for, and which secrets the input names."""

from typing import Any

import msgspec

from visapi_common.core.secret_handles import Path


class PrepareRequest(msgspec.Struct, frozen=True):
    """An input to prepare. `key` tells handles from text; without one nothing is a handle. `values` are what
    the handles stand for, as far as they were asked for already.
    """

    function: str
    input: bytes
    key: bytes | None
    values: list[tuple[Path, Any]] = []


class SecretsNeeded(msgspec.Struct, frozen=True, tag="secrets_needed"):
    """The input names these secrets and links: prepare the input again with their values."""

    paths: list[Path]
