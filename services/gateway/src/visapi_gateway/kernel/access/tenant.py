"""For which tenant the work of this task is done; empty for the gateway's own."""

from contextvars import ContextVar

WHOSE: ContextVar[str] = ContextVar("visapi_tenant", default="")
