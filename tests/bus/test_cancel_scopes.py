import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pepperpy_bus.cancel_scopes import CancelScope


class Over(Exception):
    pass


async def in_scope(
    body: Callable[[], Coroutine[Any, Any, Any]], *, end: bool = True
) -> tuple[Any, list[CancelScope]]:
    """Runs a body in a scope that is ended as soon as the body waits."""
    made: list[CancelScope] = []

    async def run() -> Any:
        async with CancelScope() as scope:
            made.append(scope)
            if end:
                asyncio.get_running_loop().call_soon(scope.end, Over("first"))
                asyncio.get_running_loop().call_soon(scope.end, Over("second"))
            return await body()

    return await asyncio.create_task(run(), name="in-scope"), made


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_body_is_canceled_and_the_first_error_leaves_the_scope() -> None:
    cleaned = False

    async def body() -> None:
        nonlocal cleaned
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned = True
            raise

    with pytest.raises(Over, match="first"):
        await in_scope(body)
    assert cleaned


async def test_a_body_that_returns_in_spite_of_it_ends_with_the_error_too() -> None:
    async def body() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        return "done"

    with pytest.raises(Over):
        await in_scope(body)


async def test_the_bodys_own_error_is_not_hidden() -> None:
    async def body() -> None:
        try:
            await forever()
        finally:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await in_scope(body)


async def test_a_body_that_is_not_ended_is_let_alone_and_so_is_what_follows() -> None:
    async def body() -> str:
        return "done"

    done, (scope,) = await in_scope(body, end=False)
    assert done == "done"
    scope.end(Over())


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    started = asyncio.Event()

    async def run() -> None:
        async with CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.end, Over())
            started.set()
            await forever()

    task = asyncio.create_task(run(), name="canceled")
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_after_the_error_the_task_can_wait_again() -> None:
    async def run() -> int:
        with pytest.raises(Over):
            await in_this_task()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    async def in_this_task() -> None:
        async with CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.end, Over())
            await forever()

    assert await asyncio.create_task(run(), name="goes-on") == 0
