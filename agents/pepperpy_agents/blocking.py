"""The context of a handler that runs in a thread: each call waits until it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast

from pepperpy_agents.context import Context
from pepperpy_agents.durable.waiting import NO_DEFAULT
from pepperpy_bus.routing import Addressee
from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.units import Duration
from pepperpy_schemas.messages import Result

if TYPE_CHECKING:
    from pepperpy_bus.llm.blocking import SyncLLM
    from pepperpy_bus.memory.blocking import SyncMemory
    from pepperpy_bus.state.blocking import SyncAgentState, SyncResources, SyncTaskBudget

T = TypeVar("T")

_END: Final = object()


class BlockingContext:
    """`Context` without ``await``."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop
        self.task_id = context.task_id
        self.topic = context.topic
        self.attempt = context.attempt
        self.deadline = context.deadline
        self.parent = context.parent
        self.root = context.root
        self.key = context.key
        self.fence = context.fence
        self.headers = context.headers
        self.log = context.log

    @property
    def now(self) -> datetime:
        """The time by the server's clock; see `Context.now`."""
        return self._context.now

    def step(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        type: Any = None,  # noqa: A002 - reads as msgspec's own argument
        **kwargs: Any,
    ) -> Any:
        """Does something once; see `Context.step`."""
        return self._wait(self._context.step(name, function, *args, type=type, **kwargs))

    def ask(
        self,
        text: str,
        *,
        choices: Sequence[Any] = (),
        deadline: Duration | datetime | None = None,
        default: Any = NO_DEFAULT,
        remind: Duration | None = None,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
    ) -> Any:
        """Asks people and returns their answer; see `Context.ask`."""
        asking = self._context.ask(
            text, choices=choices, deadline=deadline, default=default, remind=remind, type=type
        )
        return self._wait(asking)

    def sleep(self, duration: Duration) -> None:
        """Waits for a time without a slot; see `Context.sleep`."""
        self._wait(self._context.sleep(duration))

    def submit(
        self, topic: str | Addressee, data: Any = None, **options: Unpack[SubmitOptions]
    ) -> str:
        """Publishes a child of this task; see `Context.submit`."""
        return self._wait(self._context.submit(topic, data, **options))

    def cancel(self, child: str, *, reason: str = "") -> None:
        """Asks for the end of a child; see `Context.cancel`."""
        self._wait(self._context.cancel(child, reason=reason))

    def gather(
        self,
        *children: str,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Returns what children returned; see `Context.gather`."""
        gathering = self._context.gather(*children, type=type, return_exceptions=return_exceptions)
        return self._wait(gathering)

    def first(self, *children: str, timeout: Duration | None = None) -> dict[str, Result]:
        """Returns the ends of those children that have ended; see `Context.first`."""
        return self._wait(self._context.first(*children, timeout=timeout))

    def run(
        self,
        topic: str | Addressee,
        data: Any = None,
        *,
        type: Any = Any,  # noqa: A002 - reads as msgspec's own argument
        **options: Unpack[SubmitOptions],
    ) -> Any:
        """Publishes a child and returns what it returned; see `Context.run`."""
        return self._wait(self._context.run(topic, data, type=type, **options))

    def stream(self, chunk: Any) -> None:
        """Shows a piece of output; see `Context.stream`."""
        self._wait(self._context.stream(chunk))

    def progress(self, fraction: float, message: str = "", **data: Any) -> None:
        """Tells how far the task is; see `Context.progress`."""
        self._wait(self._context.progress(fraction, message, **data))

    def emit(self, name: str, /, *, scope: str = "", event_id: str = "", **data: Any) -> None:
        """Tells of something that happened; see `Context.emit`."""
        self._wait(self._context.emit(name, scope=scope, event_id=event_id, **data))

    @property
    def state(self) -> "SyncAgentState":
        """The values that the agent keeps; see `Context.state`."""
        from pepperpy_bus.state.blocking import SyncAgentState

        return SyncAgentState(self, self._context.state)

    @property
    def resources(self) -> "SyncResources":
        """The resources with a capacity; see `Context.resources`."""
        from pepperpy_bus.state.blocking import SyncResources

        return SyncResources(self, self._context.resources)

    @property
    def budget(self) -> "SyncTaskBudget":
        """What the task may spend; see `Context.budget`."""
        from pepperpy_bus.state.blocking import SyncTaskBudget

        return SyncTaskBudget(self, self._context.budget)

    @property
    def llm(self) -> "SyncLLM":
        """The language models; see `Context.llm`."""
        from pepperpy_bus.llm.blocking import SyncLLM

        return SyncLLM(self, self._context.llm)

    @property
    def memory(self) -> "SyncMemory":
        """What is remembered; see `Context.memory`."""
        from pepperpy_bus.memory.blocking import SyncMemory

        return SyncMemory(self, self._context.memory)

    def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Runs what is begun in the worker's event loop, and returns what it ends with."""

        async def run() -> T:
            return await begin()

        return self._wait(run())

    def iterate(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """Yields what an async iterator yields in the worker's event loop, and closes it."""
        try:
            while (item := self.wait(lambda: anext(items, _END))) is not _END:
                yield cast("T", item)
        finally:
            # In the loop's own thread runs the garbage collector: there the loop closes it itself.
            if asyncio._get_running_loop() is not self._loop:
                close = getattr(items, "aclose", None)
                if close is not None:
                    self.wait(close)

    def _wait(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()
