"""What one problem may use: time, processes, a model, the task that asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from pepperpy_capabilities.workshop import Place, Workshop, too_long
from pepperpy_schemas.errors import BadConfig, TooLong

if TYPE_CHECKING:
    from pepperpy_agents.context import Context
    from pepperpy_bus.llm import LLM

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SECONDS = 30.0
"""How long a problem may take unless it says otherwise."""
_TO_COMPUTE = 0.9


class Means:
    """What is at hand while one problem is solved.

    Args:
        workshop: Where its functions run.
        seconds: How long it may take from now on.
        llm: Who answers as a model; the task's own by default.
        context: The task that asked; None where no bus is.

    Attributes:
        seconds: How long it may take in all.
        context: The task that asked, with its steps, children, events and memory, or None.
    """

    def __init__(
        self,
        workshop: Workshop,
        *,
        seconds: float = SECONDS,
        llm: "LLM | None" = None,
        context: "Context | None" = None,
    ) -> None:
        self.seconds = seconds
        self.context = context
        self._workshop = workshop
        self._llm = llm
        self._end = asyncio.get_running_loop().time() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; 0 when the time is over."""
        return max(0.0, self._end - asyncio.get_running_loop().time())

    @property
    def llm(self) -> "LLM":
        """The language models.

        Raises:
            BadConfig: There are none here; ``context.needs`` is ``model``.
        """
        if self._llm is not None:
            return self._llm
        if self.context is not None:
            return self.context.llm
        raise BadConfig(
            "this needs a language model, and there is none",
            hint="submit it as a task, or give llm= to Means",
            context={"needs": "model"},
        )

    def part(self, seconds: float) -> "Means":
        """Returns the means for a part of the problem, which has less time.

        Args:
            seconds: How long the part may take; no longer than is left.
        """
        less = min(seconds, self.left)
        return Means(self._workshop, seconds=less, llm=self._llm, context=self.context)

    async def run(self, function: Callable[[*Ts], T], /, *arguments: *Ts) -> T:
        """Returns what a function returns in a process that is killed when the time is over.

        The wait for a free place is not counted.

        Args:
            function: A plain one, at the top of its module. A solver is imported inside it, so
                that the process that asks does without.
            *arguments: What it is given; they and the result are pickled.

        Raises:
            TooLong: The time is over.
            TooBig: The memory of the process was not enough.
        """
        async with self._place() as place:
            return await place.run(self.left, function, *arguments)

    async def run_until(self, function: Callable[[float, *Ts], T], /, *arguments: *Ts) -> T:
        """Returns what a function returns that ends by itself, with the best that it has by then.

        As `run`, but the function is first given when it must be done: by the monotonic clock,
        which all processes share. A tenth of the time is left for the way back.

        Raises:
            TooLong: The time is over.
            TooBig: The memory of the process was not enough.
        """
        async with self._place() as place:
            end = time.monotonic() + self.left * _TO_COMPUTE
            return await place.run(self.left, function, end, *arguments)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[Place]:
        loop = asyncio.get_running_loop()
        waits_since = loop.time()
        async with self._workshop.place() as place:
            self._end += loop.time() - waits_since
            try:
                yield place
            except TooLong:
                raise too_long(self.seconds) from None
