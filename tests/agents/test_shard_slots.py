import asyncio

import pytest

from pepperpy_agents.sharding.pulling import Busy
from pepperpy_agents.sharding.slots import Slots


class Guest:
    """Somebody who holds a slot until told to go."""

    def __init__(self, slots: Slots) -> None:
        self.inside = False
        self._go = asyncio.Event()
        self.task = asyncio.create_task(self._stay(slots))

    async def _stay(self, slots: Slots) -> None:
        async with slots.one():
            self.inside = True
            await self._go.wait()
        self.inside = False

    async def leave(self) -> None:
        self._go.set()
        await self.task


async def settled(guests: list[Guest]) -> list[bool]:
    for _ in range(5):
        await asyncio.sleep(0)
    return [guest.inside for guest in guests]


async def test_so_many_are_let_in_and_the_others_in_their_order() -> None:
    slots = Slots(2)
    guests = [Guest(slots) for _ in range(4)]
    assert await settled(guests) == [True, True, False, False]
    await guests[1].leave()
    assert await settled(guests) == [True, False, True, False]
    for guest in guests:
        await guest.leave()


async def test_more_slots_take_effect_at_once_and_fewer_as_they_are_freed() -> None:
    slots = Slots(1)
    guests = [Guest(slots) for _ in range(4)]
    slots.resize(3)
    assert await settled(guests) == [True, True, True, False]
    slots.resize(1)
    await guests[0].leave()
    await guests[1].leave()
    assert await settled(guests) == [False, False, True, False]
    for guest in guests[2:]:
        await guest.leave()


async def test_who_gives_up_waiting_takes_no_slot() -> None:
    slots = Slots(1)
    guests = [Guest(slots) for _ in range(3)]
    await settled(guests)
    guests[1].task.cancel()
    await asyncio.gather(guests[1].task, return_exceptions=True)
    await guests[0].leave()
    assert await settled(guests) == [False, False, True]
    await guests[2].leave()


async def test_who_is_canceled_when_let_in_gives_the_slot_back() -> None:
    slots = Slots(1)
    guests = [Guest(slots) for _ in range(2)]
    await settled(guests)
    guests[0]._go.set()
    while not slots._used or guests[0].inside:
        await asyncio.sleep(0)
    guests[1].task.cancel()
    await asyncio.gather(guests[1].task, return_exceptions=True)
    last = Guest(slots)
    assert await settled([last]) == [True]
    await last.leave()


def test_the_load_is_the_share_of_the_time_that_something_is_in_hand() -> None:
    now = 0.0
    busy = Busy(0.0, lambda: now)
    with busy:
        now = 5.0
    now = 10.0
    assert busy.measure() == pytest.approx(0.25)  # a half, smoothed with nothing before
    with busy, busy:
        now = 20.0
    assert busy.measure() == pytest.approx(0.625)
    assert busy.measure() == pytest.approx(0.625)  # no time has passed
