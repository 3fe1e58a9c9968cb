"""Processes in which problems are solved: killed when their time is over, bounded in memory."""

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

from pepperpy_agents.processes import Processes
from pepperpy_schemas.errors import TooBig, TooLong, Unavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MEMORY = 2 * 1024**3
"""Bytes of address space of one process: what a solver reserves counts, used or not."""


class Workshop:
    """Runs functions in processes of their own, each of which works on one problem at a time.

    A process that is done is used again, with the solver that it has imported. Solvers do not
    listen while they compute: the only way to end one is to kill its process, and this does.

    Args:
        places: Most problems at a time; the others wait. As many as there are processors by
            default.
        memory: Bytes of address space that each process may have (Linux).

    Attributes:
        busy: How many work right now.

    Example:
        ```python
        async with Workshop() as workshop:
            answer = await reasoner.reason(problem, Means(workshop, seconds=5))
        ```
    """

    def __init__(self, *, places: int | None = None, memory: int = MEMORY) -> None:
        self._places = asyncio.Semaphore(places or os.cpu_count() or 1)
        self._memory = memory
        self._idle: list[Processes] = []
        self.busy = 0

    async def run(self, seconds: float, function: Callable[[*Ts], T], /, *arguments: *Ts) -> T:
        """Returns what a function returns in another process.

        Args:
            seconds: How long it may take, with its wait for a place and its imports.
            function: A plain one, at the top of its module; its errors come back as they are.
            *arguments: What it is given; they and the result are pickled.

        Raises:
            TooLong: The time is over; the process is killed.
            TooBig: Its memory was not enough, or it died, which is mostly the same.
        """
        clock = asyncio.timeout(seconds)
        try:
            async with clock, self._places:
                return await self._run(function, *arguments)
        except TimeoutError:
            if not clock.expired():
                raise
            raise TooLong(
                f"not solved within {seconds:.3g} s", context={"seconds": seconds}
            ) from None

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        one = self._idle.pop() if self._idle else Processes(1, memory=self._memory)
        self.busy += 1
        too_big = TooBig(
            f"a process with {self._memory >> 20} MiB could not solve it",
            context={"memory": self._memory},
        )
        try:
            result: T = await one.call(function, *arguments, what="a problem")
            return result
        except (Unavailable, MemoryError):
            one.close()  # what is left of its memory is in pieces
            raise too_big from None
        finally:
            self.busy -= 1
            self._idle.append(one)  # one that was killed starts anew when it is needed

    def close(self) -> None:
        """Kills all processes."""
        while self._idle:
            self._idle.pop().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
