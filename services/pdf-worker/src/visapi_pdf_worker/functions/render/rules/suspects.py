"""Tenants with a document that was ended by force: their documents are printed apart for a while. Pure."""

SUSPECT_S = 60.0
_MOST = 1000


class Suspects:
    """The clock is the caller's."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, tenant: str, now: float) -> None:
        self._until.pop(tenant, None)
        self._until[tenant] = now + SUSPECT_S
        if len(self._until) > _MOST:
            del self._until[next(iter(self._until))]

    def holds(self, tenant: str, now: float) -> bool:
        return self._until.get(tenant, now) > now
