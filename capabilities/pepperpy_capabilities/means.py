"""What one problem may use: time, processes, a model, the task that asked."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from pepperpy_capabilities.workshop import Workshop, too_long
from pepperpy_schemas.errors import BadConfig, TooLong

if TYPE_CHECKING:
    from pepperpy_agents.context import Context
    from pepperpy_bus.llm import LLM

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SECONDS = 10.0
"""How long a problem may take unless it says otherwise."""


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
            BadConfig: There are none here.
        """
        if self._llm is not None:
            return self._llm
        if self.context is not None:
            return self.context.llm
        raise BadConfig(
            "this needs a language model, and there is none",
            hint="submit it as a task, or give llm= to Means",
        )

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
        loop = asyncio.get_running_loop()
        waits_since = loop.time()
        async with self._workshop.place() as place:
            self._end += loop.time() - waits_since
            try:
                return await place.run(self.left, function, *arguments)
            except TooLong:
                raise too_long(self.seconds) from None
