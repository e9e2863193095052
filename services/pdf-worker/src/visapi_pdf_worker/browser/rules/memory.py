"""Memory limits of documents, and which process is killed above them. Pure."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

_REST_MB = 600.0
"""What the driver and the browser's own processes use besides the documents."""


class Weighed(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def own_mb(self) -> float: ...
    @property
    def shared_mb(self) -> float: ...
    @property
    def total_mb(self) -> float: ...
    @property
    def renderer(self) -> bool: ...


class MemoryLimit(msgspec.Struct, frozen=True):
    """`document_mb` bounds a renderer, `tree_mb` everything that belongs to one browser."""

    document_mb: float
    tree_mb: float


class Excess(msgspec.Struct, frozen=True):
    """What must be ended: one renderer, or with `pid` 0 the whole browser."""

    pid: int
    used_mb: float


def limit_of(document_mb: float, at_once: int) -> MemoryLimit:
    return MemoryLimit(document_mb, document_mb * at_once + _REST_MB)


def excess(weights: Sequence[Weighed], limit: MemoryLimit) -> Excess | None:
    """What uses too much now. Memory that processes share is counted once."""
    if not weights:
        return None
    heaviest = max(weights, key=lambda weight: weight.total_mb)
    if heaviest.renderer and heaviest.total_mb > limit.document_mb:
        return Excess(heaviest.pid, heaviest.total_mb)
    total = sum(weight.own_mb for weight in weights) + max(weight.shared_mb for weight in weights)
    if total > limit.tree_mb or heaviest.total_mb > limit.document_mb + _REST_MB:
        return Excess(heaviest.pid if heaviest.renderer else 0, total)
    return None
