"""Rows that a transition writes (`visapi_common.core.named_rows`). Pure."""

from uuid import UUID

import msgspec


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row. `run` is the run whose transition writes the row: nothing is written where the run's
    compare-and-set fails.
    """

    run: UUID
