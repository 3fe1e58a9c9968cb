"""What the tasks of one key go on from: the state of a framework's object, kept on the bus."""

from typing import Any, Final, Self

import msgspec

from pepperpy_agents.context import Context
from pepperpy_bus.state.values import State

KEPT: Final = "30d"
"""How long the state of a key is kept after its last task."""


class Saved(msgspec.Struct, frozen=True):
    """Where the tasks of a key are.

    Attributes:
        task: The task that was answered last.
        result: What it ended with.
        state: What the next one begins with.
    """

    task: str
    result: Any
    state: Any


class Kept:
    """The state of a task's key.

    Args:
        values: What is kept for the key.
        name: The framework's value among these.
        task: The task that is run.
        saved: What was there when it began; None before the key's first task.
        revision: Of that value.

    Attributes:
        saved: The same.
    """

    def __init__(
        self, values: State, name: str, task: str, saved: Saved | None, revision: int
    ) -> None:
        self._values = values
        self._name = name
        self._task = task
        self._revision = revision
        self.saved = saved

    @classmethod
    async def of(cls, ctx: Context, name: str) -> Self | None:
        """Returns the state of a task's key, or None when it has no key.

        Args:
            ctx: The task's context.
            name: The framework's value among those of the key.
        """
        if not ctx.key:
            return None
        values = ctx.state.keyed(ctx.key)
        saved, revision = await values.get(name, type=Saved)
        return cls(values, name, ctx.task_id, saved, revision)

    @property
    def answered(self) -> Saved | None:
        """What is there when an attempt before has answered this very task."""
        there = self.saved is not None and self.saved.task == self._task
        return self.saved if there else None

    async def keep(self, result: Any, state: Any) -> None:
        """Keeps what the next task of the key begins with.

        Args:
            result: What the task ends with.
            state: The state after it.

        Raises:
            WrongSequence: Another task of the key has ended meanwhile.
            TooLarge: Both together have more than 512 KiB of JSON.
        """
        saved = Saved(self._task, result, state)
        await self._values.set(self._name, saved, revision=self._revision, ttl=KEPT)
