"""Changes of a state that somebody waits for, made one after the other on a learner in memory."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from pepperpy_capabilities.learning.states.marks import Once, is_marked, marked
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.learner_state import Marks

L = TypeVar("L")
T = TypeVar("T")


class Changed(msgspec.Struct, Generic[T], frozen=True):
    """What became of a change, or of a look.

    Attributes:
        outcome: What the edit returned; None where it was made before.
        version: How many times the state was changed by then; 0 when there is none.
        before: Whether it was made before, so that nothing was changed now.
    """

    outcome: T | None
    version: int
    before: bool = False


class Asked(Generic[L, T]):
    """A change that somebody waits for.

    Attributes:
        once: What it is known by when it comes again.
        done: What its caller waits for.
    """

    def __init__(self, edit: Callable[[L], T], once: Once | None) -> None:
        self.once = once
        self.done: asyncio.Future[Changed[T]] = asyncio.get_running_loop().create_future()
        self._edit = edit
        self._outcome: T | None = None
        self._before = False
        self._error: Exception | None = None

    def make(self, learner: L, marks: Marks) -> Marks | None:
        """Makes the change; returns the marks after it, or None when it changed nothing.

        What it raises that is no `PepperError` leaves a learner that nobody knows.
        """
        self._error, self._before = None, False
        try:
            if self.once is not None and is_marked(marks, self.once):
                self._before = True
                return None
            self._outcome = self._edit(learner)
        except PepperError as error:
            self._error = error
            return None
        return marks if self.once is None else marked(marks, self.once)

    def end(self, version: int) -> None:
        """Tells the caller what became of it."""
        if self.done.done():
            return  # whoever asked has gone
        if self._error is not None:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(Changed(self._outcome, version, self._before))

    def fail(self, error: BaseException) -> None:
        """Tells the caller that it was not made."""
        if not self.done.done():
            self.done.set_exception(error)


class Spoiled(Exception):
    """What an edit raises when it cannot be made, and has changed the learner nevertheless.

    Attributes:
        error: What its caller is told.
    """

    def __init__(self, error: PepperError) -> None:
        super().__init__(str(error))
        self.error = error


class Broken(Exception):
    """An edit failed in a way that leaves a learner that nobody knows.

    Attributes:
        by: The change.
        reason: What it raised.
    """

    def __init__(self, by: Asked[Any, Any], reason: Exception) -> None:
        super().__init__(str(reason))
        self.by = by
        self.reason = reason


def make_changes(learner: L, marks: Marks, asked: list[Asked[L, Any]]) -> Marks | None:
    """Makes changes one after the other; returns the marks after them, or None if none was made.

    Raises:
        Broken: One of them failed; the learner is to be thrown away.
    """
    changed = False
    for one in asked:
        try:
            after = one.make(learner, marks)
        except Spoiled as spoiled:
            raise Broken(one, spoiled.error) from spoiled
        except Exception as error:
            raise Broken(one, error) from error
        if after is not None:
            marks, changed = after, True
    return marks if changed else None
