"""What computes for a problem ends with its time, and takes nothing else down."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from pepperpy_capabilities.means import Means
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import (
    BadConfig,
    BadRule,
    HandlerError,
    PepperError,
    RemoteError,
    TooBig,
    TooLong,
)


def refuse(text: str) -> None:
    raise BadRule(f"{text} is no rule", hint="mend it", context={"line": 7})


class TwoWords(Exception):
    """It pickles, and cannot be made again of the one text that it keeps."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Strange(PepperError):
    """An error of a user's own, with arguments of its own."""

    code = "strange"
    category = "input"

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}", context={"first": first})


def refuse_strangely() -> None:
    raise Strange("ham", "eggs")


def refuse_in_two_words() -> None:
    raise TwoWords("ham", "eggs")


def refuse_with_a_lock() -> None:
    raise ValueError("locked", threading.Lock())


def fill(mebibytes: int) -> int:
    return len(bytearray(mebibytes << 20))


def end_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def busy(workshop: Workshop) -> None:
    async with asyncio.timeout(10):
        while not workshop.busy:
            await asyncio.sleep(0.01)


async def gone(pid: int) -> None:
    async with asyncio.timeout(30):
        while alive(pid):
            await asyncio.sleep(0.01)


async def test_a_process_is_used_again() -> None:
    async with Workshop(places=1) as workshop:
        first = await workshop.run(60, os.getpid)
        assert first == await workshop.run(60, os.getpid) != os.getpid()
    await gone(first)


async def test_each_problem_has_a_process_of_its_own() -> None:
    async with Workshop(places=2) as workshop:
        await asyncio.gather(*(workshop.run(60, time.sleep, 0.1) for _ in range(2)))
        first, second = await asyncio.gather(*(workshop.run(60, os.getpid) for _ in range(2)))
        assert first != second


async def test_what_takes_too_long_is_killed_and_the_next_problem_is_solved() -> None:
    async with Workshop(places=1) as workshop:
        pid = await workshop.run(60, os.getpid)
        with pytest.raises(TooLong) as caught:
            await workshop.run(0.2, time.sleep, 600)
        assert caught.value.context == {"seconds": 0.2}
        await gone(pid)
        assert await workshop.run(60, os.path.basename, "a/b") == "b"
        assert workshop.busy == 0


async def test_what_is_canceled_is_killed() -> None:
    async with Workshop(places=1) as workshop:
        pid = await workshop.run(60, os.getpid)
        work = asyncio.create_task(workshop.run(600, time.sleep, 600), name="work")
        await busy(workshop)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await gone(pid)


async def test_who_waits_for_a_place_does_not_spend_its_time() -> None:
    async with Workshop(places=1) as workshop:
        await workshop.run(60, os.getpid)
        means = [Means(workshop, seconds=1.0) for _ in range(4)]
        await asyncio.gather(*(one.run(time.sleep, 0.5) for one in means))


async def test_an_error_comes_back_as_it_was_raised() -> None:
    async with Workshop() as workshop:
        with pytest.raises(BadRule, match="x is no rule") as caught:
            await workshop.run(60, refuse, "x")
        assert caught.value.hint == "mend it"
        assert caught.value.context == {"line": 7}


async def test_an_error_that_cannot_travel_comes_back_by_name_and_message() -> None:
    async with Workshop(places=1) as workshop:
        pid = await workshop.run(60, os.getpid)
        with pytest.raises(HandlerError, match=r"^TwoWords: ham and eggs$") as caught:
            await workshop.run(60, refuse_in_two_words)
        assert caught.value.context == {"type": f"{__name__}.TwoWords"}
        with pytest.raises(HandlerError, match=r"^ValueError: \('locked', "):
            await workshop.run(60, refuse_with_a_lock)
        with pytest.raises(RemoteError, match=r"^ham and eggs$") as strange:
            await workshop.run(60, refuse_strangely)
        assert strange.value.info() == Strange("ham", "eggs").info()
        assert await workshop.run(60, os.getpid) == pid, "its process lives on"


async def test_memory_is_bounded() -> None:
    async with Workshop(places=1, memory=512 << 20) as workshop:
        assert await workshop.run(60, fill, 10) == 10 << 20
        with pytest.raises(TooBig) as caught:
            await workshop.run(60, fill, 600)
        assert caught.value.context == {"memory": 512 << 20}
        assert await workshop.run(60, fill, 10) == 10 << 20


async def test_a_process_that_dies_takes_only_its_problem_along() -> None:
    async with Workshop(places=2) as workshop:
        other = asyncio.create_task(workshop.run(60, time.sleep, 1), name="other")
        with pytest.raises(TooBig):
            await workshop.run(60, end_itself)
        await other


async def test_means_have_one_time_for_all_that_a_problem_runs() -> None:
    async with Workshop() as workshop:
        await workshop.run(60, os.getpid)
        means = Means(workshop, seconds=1.0)
        assert means.left <= 1.0
        await means.run(time.sleep, 0.5)
        assert means.left <= 0.5
        with pytest.raises(TooLong):
            await means.run(time.sleep, 600)
        assert means.left == 0
        with pytest.raises(TooLong):
            await means.run(os.getpid)


async def test_means_without_a_model_say_so() -> None:
    async with Workshop() as workshop:
        with pytest.raises(BadConfig, match="needs a language model"):
            _ = Means(workshop).llm


async def test_what_exits_ends_neither_the_process_nor_who_asked() -> None:
    async with Workshop(places=1) as workshop:
        with pytest.raises(RuntimeError, match=r"called sys.exit\(4\)"):
            await workshop.run(30, sys.exit, 4)
        assert await workshop.run(30, abs, -3) == 3


async def test_who_closes_ends_what_still_computes() -> None:
    workshop = Workshop(places=1)
    pid = await workshop.run(60, os.getpid)
    work = asyncio.create_task(workshop.run(600, time.sleep, 600), name="work")
    await busy(workshop)
    workshop.close()
    with pytest.raises(TooBig):
        await work
    await gone(pid)
    workshop.close()


def test_one_event_loop_after_the_other_may_wait_for_places() -> None:
    workshop = Workshop(places=1)

    async def both() -> list[str]:
        return await asyncio.gather(*(workshop.run(60, os.path.basename, "a/b") for _ in range(2)))

    assert [asyncio.run(both()) for _ in range(2)] == [["b", "b"]] * 2
    workshop.close()
