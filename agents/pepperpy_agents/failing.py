"""What an exception means that left a handler, and whether the attempt is repeated."""

import asyncio

from pepperpy_agents.attempt import Attempt, Failed, Outcome, Repeat, Stopped
from pepperpy_agents.attempt_log import say_failure
from pepperpy_agents.beginning import Beginning
from pepperpy_agents.giving_up import shorten
from pepperpy_schemas.errors import (
    DeadlineExceeded,
    ErrorInfo,
    HandlerError,
    PepperError,
    TaskTimeout,
    info_of,
)


class Overrun(Exception):
    """The attempt's time is over; told apart from a TimeoutError of the handler's own."""


class Failing:
    """Finds out how an attempt came out whose handler raised.

    Args:
        beginning: Opens the journals that failures are recorded in.
    """

    def __init__(self, beginning: Beginning) -> None:
        self._beginning = beginning

    async def outcome(self, attempt: Attempt, error: BaseException, by_deadline: bool) -> Outcome:
        """Returns what an exception means for its attempt.

        Args:
            attempt: The attempt.
            error: What left its handler.
            by_deadline: Whether its time was that of the task, and not of the attempt alone.
        """
        task, spec = attempt.task, attempt.spec
        if attempt.canceled is not None:
            return Stopped(attempt.canceled)
        if isinstance(error, asyncio.CancelledError):
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise error
            error = HandlerError("the handler raised CancelledError")
        if attempt.parked is not None:
            return attempt.parked
        if isinstance(error, Overrun):
            if by_deadline:
                return Failed(DeadlineExceeded(f"task {task.id} ran past its deadline").info())
            error = TaskTimeout(f"{spec.topic} ran longer than {spec.timeout:g} s")
        if not isinstance(error, Exception | SystemExit):
            raise error
        return await self._repeated(attempt, error)

    async def _repeated(self, attempt: Attempt, error: BaseException) -> Outcome:
        """Decides between repeating and giving up, and records the failure."""
        info = shorten(info_of(error))
        try:
            journal = await self._beginning.journal(attempt)
            await journal.failed(attempt.number, info)
        except PepperError:
            say_failure(attempt.task, attempt.number, error, info)
            raise
        failures = journal.history.failures
        policy = attempt.spec.retry
        if policy.repeats(error, info, failures):
            wait = policy.wait(failures)
            say_failure(attempt.task, attempt.number, error, info, wait=wait)
            return Repeat(info, wait, failures)
        say_failure(attempt.task, attempt.number, error, info)
        return Failed(info)


def too_late(attempt: Attempt) -> ErrorInfo:
    """Returns the error of a task whose deadline passed while no handler of it ran."""
    what = "was not started before its deadline"
    if attempt.journal is not None and attempt.journal.history.waits:
        what = "waited past its deadline"
    elif attempt.number > 1:
        what = "was not repeated before its deadline"
    return DeadlineExceeded(f"task {attempt.task.id} {what}").info()
