"""Group commits by tenant: the waiting requests of one tenant are committed in one transaction.

Each tenant has its own group, which takes its turn for a connection: no tenant waits behind another, and a
failed transaction fails no other tenant's requests. A group exists while requests wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import count
from typing import Generic, TypeVar

from visapi_common.core.errors import Fault
from visapi_common.runtime.group_commit import GroupCommit

I = TypeVar("I")  # noqa: E741 (item)
O = TypeVar("O")  # noqa: E741 (outcome)


class TenantCommits(Generic[I, O]):
    """See the module's docstring. `write` commits the items of one tenant, by number, and answers an outcome
    or a fault for each.
    """

    def __init__(
        self,
        write: Callable[[str, Mapping[int, I]], Awaitable[Mapping[int, O | Fault]]],
        *,
        weigh: Callable[[I], int],
        weight_max: int,
    ) -> None:
        self._write = write
        self._weigh = weigh
        self._weight_max = weight_max
        self._groups: dict[str, GroupCommit[int, I, O]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = count()

    async def submit(self, tenant: str, item: I) -> O:
        """The outcome of the item, once it is committed. Raises as `GroupCommit.submit`."""
        group = self._groups.get(tenant)
        if group is None:
            group = self._groups[tenant] = GroupCommit(
                partial(self._write, tenant), weigh=self._weigh, weight_max=self._weight_max
            )
            task = asyncio.create_task(self._drain(tenant, group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await group.submit(next(self._numbers), item)

    async def _drain(self, tenant: str, group: GroupCommit[int, I, O]) -> None:
        try:
            await group.drain()
        finally:
            del self._groups[tenant]
