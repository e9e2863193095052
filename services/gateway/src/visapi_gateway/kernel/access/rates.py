"""The rates as the gate uses them; the slice `rates` implements them."""

from typing import Protocol

from visapi_gateway.kernel.access.scopes import Principal


class Allowance(Protocol):
    """The rates of one key, for its requests."""

    def take(self) -> bool:
        """Take the tokens of one request; returns False when the request has to `wait` for them. Raises
        `ProblemError` 429.
        """
        ...

    async def wait(self) -> None:
        """Wait for the tokens of one request, and take them. Raises `ProblemError` 429, `TransientFault`."""
        ...

    def headers(self, *, with_quotas: bool) -> list[tuple[bytes, bytes]]:
        """The header fields of the rates, and of the run quotas for operations that start runs."""
        ...


class Allowances(Protocol):
    """The allowances of all keys."""

    def of(self, who: Principal) -> Allowance: ...
