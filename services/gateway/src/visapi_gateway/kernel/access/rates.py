"""What the gate asks of rates. The slice `rates` has the rest."""

from typing import Protocol

from visapi_gateway.kernel.access.scopes import Principal


class Allowance(Protocol):
    """What one key may take, for the requests of this key."""

    def take(self) -> bool:
        """Take the tokens of one request; false where the request has to `wait` for them. Raises
        `ProblemError` 429.
        """
        ...

    async def wait(self) -> None:
        """Wait for the tokens of one request, and take them. Raises `ProblemError` 429, `TransientFault`."""
        ...

    def headers(self, *, with_quotas: bool) -> list[tuple[bytes, bytes]]:
        """The fields that tell of the rates, and of the quotas of runs where the operation counts on them."""
        ...


class Allowances(Protocol):
    """The allowances of all keys."""

    def of(self, who: Principal) -> Allowance: ...
