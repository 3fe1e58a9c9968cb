"""Bytes uploaded for a task: removed again when nobody is going to take them in."""

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pepperpy_bus.memory import Memory


class Uploads:
    """What was uploaded inside of ``async with``; at its end it is removed unless a task has it.

    Args:
        memory: Where to upload it.
    """

    def __init__(self, memory: "Memory") -> None:
        self._memory = memory
        self._ours: list[str] = []
        self._handed_over: list[str] = []

    async def upload(self, body: bytes) -> str:
        """Puts a file's bytes where the memory finds them, and returns the reference to them."""
        reference = await self._memory.upload(body)
        self._ours.append(reference)
        return reference

    def hand_over(self) -> None:
        """Leaves all to a task, which may be submitted from now on, and removes them itself."""
        self._handed_over, self._ours = self._ours, []

    def take_back(self) -> None:
        """Takes over again what a task had that will not do anything any more."""
        self._ours, self._handed_over = self._handed_over, []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        from pepperpy_schemas.errors import PepperError

        # What stays goes with its time.
        with contextlib.suppress(PepperError):
            for reference in self._ours:
                await self._memory.discard(reference)
