"""For which tenant the current work is done, where what takes turns is too far below to be told."""

from contextvars import ContextVar

TENANT: ContextVar[str] = ContextVar("tenant", default="")
"""Set by the worker kit for each task. Empty: for nobody in particular."""
