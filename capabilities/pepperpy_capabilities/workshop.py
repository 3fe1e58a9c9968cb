"""Processes in which problems are solved: killed when their time is over, bounded in memory."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple

from pepperpy_agents.processes import Processes
from pepperpy_schemas.errors import TooBig, TooLong, Unavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MEMORY = 2 * 1024**3
"""Bytes of address space of one process: what a solver reserves counts, used or not."""


class Place:
    """A process that works on one problem after the other.

    Solvers do not listen while they compute: the only way to end one is to kill its process. A
    process that is done is used again, with the solver that it has imported.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process = Processes(1, memory=memory)  # starts when it is needed, also anew

    async def run(self, seconds: float, function: Callable[[*Ts], T], /, *arguments: *Ts) -> T:
        """Returns what a function returns in the process.

        Args:
            seconds: How long it may take, with its imports.
            function: A plain one, at the top of its module; its errors come back as they are.
            *arguments: What it is given; they and the result are pickled.

        Raises:
            TooLong: The time is over; the process is killed.
            TooBig: Its memory was not enough, or it died, which is mostly the same.
        """
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                result: T = await self._process.call(function, *arguments, what="a problem")
                return result
        except TimeoutError:
            if not clock.expired():
                raise
            raise too_long(seconds) from None
        except SystemExit as error:  # here it would end the worker
            raise RuntimeError(f"what solves it called sys.exit({error.code!r})") from None
        except (Unavailable, MemoryError):
            self.close()  # what is left of its memory is in pieces
            raise TooBig(
                f"a process with {self._memory >> 20} MiB could not solve it",
                context={"memory": self._memory},
            ) from None

    def close(self) -> None:
        """Kills the process."""
        self._process.close()


class Workshop:
    """Places at which problems are solved.

    Args:
        places: Most problems at a time; the others wait. As many as there are processors by
            default.
        memory: Bytes of address space that each process may have (Linux).

    Example:
        ```python
        async with Workshop() as workshop:
            answer = await reasoner.reason(problem, Means(workshop, seconds=5))
        ```
    """

    def __init__(self, *, places: int | None = None, memory: int = MEMORY) -> None:
        self._places = places or os.cpu_count() or 1
        self._free: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._memory = memory
        self._idle: list[Place] = []
        self._taken: set[Place] = set()

    @property
    def busy(self) -> int:
        """How many places are taken right now."""
        return len(self._taken)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Gives a place, as soon as one is free."""
        async with self._turns():
            one = self._idle.pop() if self._idle else Place(self._memory)
            self._taken.add(one)
            try:
                yield one
            finally:
                self._taken.discard(one)
                self._idle.append(one)

    def _turns(self) -> asyncio.Semaphore:
        # A stock agent has one for as long as its process lives, which may run several event loops
        # one after the other, as tests do.
        loop = asyncio.get_running_loop()
        if self._free is None or self._loop is not loop:
            self._free, self._loop = asyncio.Semaphore(self._places), loop
        return self._free

    async def run(self, seconds: float, function: Callable[[*Ts], T], /, *arguments: *Ts) -> T:
        """Returns what a function returns at a place; its time begins when it has one.

        Raises:
            TooLong: The time is over.
            TooBig: Its memory was not enough.
        """
        async with self.place() as place:
            return await place.run(seconds, function, *arguments)

    def close(self) -> None:
        """Kills all processes, those that still compute too."""
        for one in (*self._idle, *self._taken):
            one.close()
        self._idle.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def too_long(seconds: float) -> TooLong:
    """Returns the error that so many seconds were not enough."""
    return TooLong(f"not solved within {seconds:.3g} s", context={"seconds": seconds})
