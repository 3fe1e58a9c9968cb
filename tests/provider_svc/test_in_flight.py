import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest

from pepperpy_provider_svc.cache.in_flight import InFlight
from pepperpy_schemas.errors import Overloaded, Unavailable, UpstreamFailed

Eventually = Callable[..., Awaitable[None]]


class Calls:
    """A provider whose answers a test lets out piece by piece."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.read = 0
        self.pieces: asyncio.Queue[int | Exception | None] = asyncio.Queue()

    async def whole(self) -> int:
        self.begun += 1
        try:
            piece = await self.pieces.get()
            if isinstance(piece, Exception):
                raise piece
            assert piece is not None
            return piece
        finally:
            self.ended += 1

    async def stream(self) -> AsyncGenerator[int]:
        self.begun += 1
        try:
            while (piece := await self.pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                self.read += 1
                yield piece
        finally:
            self.ended += 1


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
async def in_flight() -> AsyncIterator[InFlight]:
    async with InFlight(max_pieces=32) as one:
        yield one
    assert not one._running
    assert not one._joinable


async def taken(pieces: AsyncGenerator[int]) -> list[int]:
    return [piece async for piece in pieces]


async def test_equal_requests_share_one_call(
    in_flight: InFlight, calls: Calls, eventually: Eventually
) -> None:
    asking = [asyncio.create_task(in_flight.whole("d", calls.whole)) for _ in range(50)]
    await eventually(lambda: calls.begun)
    calls.pieces.put_nowait(7)
    assert await asyncio.gather(*asking) == [7] * 50
    assert (calls.begun, calls.ended, in_flight.coalesced) == (1, 1, 49)


async def test_a_request_after_the_answer_is_a_call_of_its_own(
    in_flight: InFlight, calls: Calls
) -> None:
    for n in (1, 2):
        calls.pieces.put_nowait(n)
        assert await in_flight.whole("d", calls.whole) == n
    assert in_flight.coalesced == 0


async def test_other_requests_and_streams_are_calls_of_their_own(
    in_flight: InFlight, calls: Calls
) -> None:
    for piece in (1, 1, 1, None):
        calls.pieces.put_nowait(piece)
    await asyncio.gather(
        in_flight.whole("d", calls.whole),
        in_flight.whole("e", calls.whole),
        taken(in_flight.pieces("d", calls.stream)),
    )
    assert (calls.begun, in_flight.coalesced) == (3, 0)


async def test_who_comes_later_gets_the_pieces_so_far_and_then_the_live_ones(
    in_flight: InFlight, calls: Calls, eventually: Eventually
) -> None:
    first = asyncio.create_task(taken(in_flight.pieces("d", calls.stream)))
    for n in range(3):
        calls.pieces.put_nowait(n)
    await eventually(lambda: calls.read == 3)
    second = in_flight.pieces("d", calls.stream)
    assert [await anext(second) for _ in range(3)] == [0, 1, 2]
    calls.pieces.put_nowait(3)
    calls.pieces.put_nowait(None)
    assert await taken(second) == [3]
    assert await first == [0, 1, 2, 3]
    assert (calls.begun, calls.ended, in_flight.coalesced) == (1, 1, 1)


@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_an_error_reaches_everybody(
    in_flight: InFlight, calls: Calls, kind: str, eventually: Eventually
) -> None:
    asking = [
        asyncio.create_task(
            in_flight.whole("d", calls.whole)
            if kind == "whole"
            else anext(in_flight.pieces("d", calls.stream))
        )
        for _ in range(5)
    ]
    await eventually(lambda: calls.begun)
    calls.pieces.put_nowait(UpstreamFailed("it broke"))
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in outcomes] == [UpstreamFailed] * 5
    assert calls.begun == 1


async def test_who_leaves_does_not_end_the_call_of_the_others(
    in_flight: InFlight, calls: Calls, eventually: Eventually
) -> None:
    first, second = (asyncio.create_task(in_flight.whole("d", calls.whole)) for _ in range(2))
    await eventually(lambda: calls.begun)
    first.cancel()
    await asyncio.wait((first,))
    assert calls.ended == 0
    calls.pieces.put_nowait(7)
    assert await second == 7


async def test_the_last_one_who_leaves_ends_the_call_before_anything_else(
    in_flight: InFlight, calls: Calls, eventually: Eventually
) -> None:
    streams = [asyncio.create_task(taken(in_flight.pieces("d", calls.stream))) for _ in range(3)]
    await eventually(lambda: calls.begun)
    for task in streams:
        assert calls.ended == 0
        task.cancel()
        await asyncio.wait((task,))
    assert calls.ended == 1
    calls.pieces.put_nowait(7)
    assert await in_flight.whole("d", calls.whole) == 7
    assert in_flight.coalesced == 2


async def test_closing_a_stream_in_the_middle_ends_its_call(
    in_flight: InFlight, calls: Calls
) -> None:
    calls.pieces.put_nowait(1)
    stream = in_flight.pieces("d", calls.stream)
    assert await anext(stream) == 1
    await stream.aclose()
    assert (calls.begun, calls.ended) == (1, 1)


async def test_a_provider_is_not_read_faster_than_somebody_listens(
    in_flight: InFlight, calls: Calls, eventually: Eventually
) -> None:
    for n in range(20):
        calls.pieces.put_nowait(n)
    stream = in_flight.pieces("d", calls.stream)
    assert await anext(stream) == 0
    await eventually(lambda: calls.read >= 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert calls.read == 3
    assert [await anext(stream) for _ in range(19)] == list(range(1, 20))
    await stream.aclose()


async def test_a_slow_reader_gets_an_error_and_the_fast_one_everything(
    in_flight: InFlight, calls: Calls
) -> None:
    for n in range(100):
        calls.pieces.put_nowait(n)
    calls.pieces.put_nowait(None)
    slow, fast = (in_flight.pieces("d", calls.stream) for _ in range(2))
    assert await anext(slow) == 0
    assert await taken(fast) == list(range(100))
    with pytest.raises(Overloaded, match="the answer is 99 pieces ahead"):
        await anext(slow)
    assert calls.begun == 1


async def test_who_comes_after_the_beginning_is_forgotten_has_a_call_of_its_own(
    in_flight: InFlight, calls: Calls
) -> None:
    for n in range(50):
        calls.pieces.put_nowait(n)
    first, second = (in_flight.pieces("d", calls.stream) for _ in range(2))
    for n in range(40):
        assert await anext(first) == n
    calls.pieces.put_nowait(None)
    await anext(second)
    assert (calls.begun, in_flight.coalesced) == (2, 0)
    await first.aclose()
    await second.aclose()


async def test_a_stream_that_nobody_reads_begins_no_call(in_flight: InFlight, calls: Calls) -> None:
    stream = in_flight.pieces("d", calls.stream)
    await stream.aclose()
    assert calls.begun == 0


async def test_the_end_of_the_service_ends_every_call(calls: Calls, eventually: Eventually) -> None:
    async with InFlight() as in_flight:
        asking = asyncio.create_task(in_flight.whole("d", calls.whole))
        await eventually(lambda: calls.begun)
    with pytest.raises(Unavailable, match="the provider service stops"):
        await asking
    assert calls.ended == 1


async def test_a_thousand_random_ends_leave_no_task_behind(
    in_flight: InFlight, calls: Calls
) -> None:
    before = asyncio.all_tasks()
    for n in range(1000):
        asking = [asyncio.create_task(in_flight.whole(f"d{n % 7}", calls.whole)) for _ in range(2)]
        for _ in range(n % 5):
            await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert calls.begun == calls.ended
    gc.collect()
