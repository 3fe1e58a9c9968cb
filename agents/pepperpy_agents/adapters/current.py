"""The task that runs now, for objects of a framework that were made before there was one.

A model or a tool of ours inside somebody's graph is given no context: frameworks call it as they
call their own. It finds the task of the handler that it is called from here, also in the threads
and asyncio tasks that the framework has begun for it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from pepperpy_agents.context import Context
from pepperpy_agents.shadowing.context import Diverged, ShadowContext
from pepperpy_bus.client import Client
from pepperpy_bus.sync import SyncClient
from pepperpy_schemas.errors import BadConfig

if TYPE_CHECKING:
    from pepperpy_bus.llm import LLM
    from pepperpy_bus.memory import Memory

T = TypeVar("T")

Bus = Client | SyncClient


class Running(NamedTuple):
    """A task that runs.

    Attributes:
        ctx: Its context.
        loop: The event loop that its handler runs in.
        caller: The agent.
    """

    ctx: Context
    loop: asyncio.AbstractEventLoop
    caller: str


_RUNNING: ContextVar[Running | None] = ContextVar("pepperpy_running", default=None)


@contextlib.contextmanager
def running(ctx: Context, *, caller: str = "") -> Iterator[None]:
    """Makes a task the one that runs, within the block and all that is begun in it.

    Args:
        ctx: The task's context.
        caller: The agent, for what is told of the calls of its tools.

    Raises:
        Diverged: It is the shadow of a task: what a framework does is done in no step, and would be
            done a second time.
    """
    if isinstance(ctx, ShadowContext):
        raise Diverged("the work of another framework, which a shadow leaves to the live task")
    token = _RUNNING.set(Running(ctx, asyncio.get_running_loop(), caller or ctx.topic))
    try:
        yield
    finally:
        _RUNNING.reset(token)


def current() -> Running | None:
    """Returns the task that runs; None outside of one."""
    return _RUNNING.get()


def models(bus: Bus | None) -> "LLM":
    """Returns the models of a client, or those of the task that runs, paid from its budget.

    Raises:
        BadConfig: There is neither a client nor a task, or it belongs to another event loop.
    """
    if bus is not None:
        return client_of(bus).llm
    return _needed("a model").ctx.llm


def remembered(bus: Bus | None) -> "Memory":
    """Returns the memory of a client, or that of the task that runs.

    Raises:
        BadConfig: There is neither a client nor a task, or it belongs to another event loop.
    """
    if bus is not None:
        return client_of(bus).memory
    return _needed("the memory").ctx.memory


def client_of(bus: Bus | None) -> Client:
    """Returns a client as coroutines use it, or that of the task that runs.

    Raises:
        BadConfig: There is neither a client nor a task, or it belongs to another event loop.
    """
    if bus is None:
        return _needed("the bus").ctx.client
    client = _inner(bus)
    _refuse_another(client.connection.loop)
    return client


def waited(bus: Bus | None, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Returns what a coroutine returns, to a caller in another thread than the bus.

    Args:
        bus: The client, or None for that of the task that runs.
        work: Makes the coroutine.

    Raises:
        BadConfig: This is the thread of the event loop: waiting here would stop it.
    """
    loop = _loop_of(bus)
    return asyncio.run_coroutine_threadsafe(work(), loop).result()


def waited_each(bus: Bus | None, items: AsyncIterator[T]) -> Iterator[T]:
    """Yields what an async iterator yields, to a caller in another thread than the bus."""
    loop = _loop_of(bus)
    end: Final = object()

    async def following() -> Any:
        return await anext(items, end)

    async def closing() -> None:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()

    try:
        while (item := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not end:
            yield item
    finally:
        asyncio.run_coroutine_threadsafe(closing(), loop).result()


def _loop_of(bus: Bus | None) -> asyncio.AbstractEventLoop:
    loop = _known("the bus").loop if bus is None else _inner(bus).connection.loop
    with contextlib.suppress(RuntimeError):
        if asyncio.get_running_loop() is loop:
            raise BadConfig(
                "a call that waits would stop the event loop of the bus",
                hint="call the asynchronous one: ainvoke for invoke, astream for stream",
            )
    return loop


def _inner(bus: Bus) -> Client:
    """The client itself; that of `connect_sync` belongs to the loop of its thread."""
    return bus if isinstance(bus, Client) else bus._inner


def _needed(what: str) -> Running:
    """The task that runs, for a coroutine in its event loop."""
    found = _known(what)
    _refuse_another(found.loop)
    return found


def _known(what: str) -> Running:
    found = _RUNNING.get()
    if found is None:
        raise BadConfig(
            f"{what} is asked for outside of a task, and without a client",
            hint="give it a client: client=bus",
        )
    return found


def _refuse_another(loop: asyncio.AbstractEventLoop) -> None:
    """Raises BadConfig in a coroutine of another event loop: it would wait for ever."""
    if asyncio.get_running_loop() is not loop:
        raise BadConfig(
            "the bus belongs to another event loop than this coroutine",
            hint="await in the loop that connected, or call what waits: invoke, stream",
        )
