"""The tenant that the current asyncio task works for; empty for the gateway's own work."""

from contextvars import ContextVar

WHOSE: ContextVar[str] = ContextVar("visapi_tenant", default="")
