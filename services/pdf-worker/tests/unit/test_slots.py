"""Places in the browser: turns among tenants, and documents that never end keep no place from others."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from visapi_pdf_worker.functions.render.slots import PrintingSlots


class Printing:
    """Documents that print until they are let go, by name; `order` is the order in which they began."""

    def __init__(self, slots: PrintingSlots) -> None:
        self._slots = slots
        self._ends: dict[str, asyncio.Event] = {}
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, *names: str) -> None:
        """Documents of the tenant that each name begins with."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._print(name))
        await self.settle()

    async def _print(self, name: str) -> None:
        async with self._slots.place(name[0]):
            self.order.append(name)
            await self._ends[name].wait()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks[name]
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_documents_of_tenants_print_in_turn() -> None:
    printing = Printing(PrintingSlots(2, slow_s=60))
    await printing.begin("a1", "b1", "a2", "a3", "c1", "b2")
    for number in range(6):
        await printing.end(printing.order[number])
    assert printing.order == ["a1", "b1", "a2", "c1", "b2", "a3"]


async def test_a_document_waits_for_no_place_that_one_other_tenant_holds() -> None:
    printing = Printing(PrintingSlots(2, slow_s=60))
    await printing.begin("a1", "a2", "a3", "b1", "b2", "c1")
    assert printing.order == ["a1", "a2", "b1"]
    for number in range(6):
        await printing.end(printing.order[number])
    assert printing.order == ["a1", "a2", "b1", "a3", "b2", "c1"]


async def test_documents_that_never_end_give_their_places_to_other_tenants_but_not_to_their_own() -> None:
    slots = PrintingSlots(2, slow_s=0.01)
    printing = Printing(slots)
    await printing.begin("a1", "a2", "a3")
    assert printing.order == ["a1", "a2"]
    async with asyncio.timeout(5):
        async with slots.place("b"):
            pass
    assert printing.order == ["a1", "a2"]
    await printing.end("a1")
    assert printing.order == ["a1", "a2", "a3"]
    for name in ("a2", "a3"):
        await printing.end(name)


async def test_a_document_that_is_cancelled_while_it_waits_takes_no_place() -> None:
    printing = Printing(PrintingSlots(1, slow_s=60))
    await printing.begin("a1", "b1", "a2", "c1")
    for name in ("a2", "c1"):
        printing.tasks[name].cancel()
    await printing.settle()
    await printing.begin("d1")
    for name in ("a1", "b1"):
        await printing.end(name)
    assert printing.order == ["a1", "b1", "d1"]
    await printing.end("d1")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(1, 3))
def test_no_more_print_at_once_than_there_are_places_and_one_more_and_all_get_one(
    wanted: list[tuple[str, bool]], places: int
) -> None:
    async def run() -> None:
        slots = PrintingSlots(places, slow_s=60)
        under_way = most = printed = 0

        async def one(tenant: str) -> None:
            nonlocal under_way, most, printed
            async with slots.place(tenant):
                under_way += 1
                most = max(most, under_way)
                try:
                    await asyncio.sleep(0)
                finally:
                    under_way -= 1
            printed += 1

        tasks = [(asyncio.create_task(one(tenant)), cancelled) for tenant, cancelled in wanted]
        await asyncio.sleep(0)
        for task, cancelled in tasks:
            if cancelled:
                task.cancel()
        async with asyncio.timeout(10):
            ended = await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
        assert printed == sum(not isinstance(one, asyncio.CancelledError) for one in ended)
        assert most <= places + 1
        async with asyncio.timeout(1), slots.place("last"):
            pass

    asyncio.run(run())
