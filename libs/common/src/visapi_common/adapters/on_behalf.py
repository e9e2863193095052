"""The tenant of the current work, for fair queues in layers below that get no tenant argument."""

from contextvars import ContextVar

TENANT: ContextVar[str] = ContextVar("tenant", default="")
"""Set by the worker kit for each task. Empty means no particular tenant."""
