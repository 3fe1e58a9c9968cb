"""What a worker's log says of attempts that failed, and of tasks that are given up."""

from pepperpy_agents.frames import without_ours
from pepperpy_agents.task import Task
from pepperpy_bus.logs import get_log
from pepperpy_bus.units import format_duration
from pepperpy_schemas.errors import ErrorInfo, HandlerError
from pepperpy_schemas.messages import Result

log = get_log("pepperpy.worker")


def say_failure(
    task: Task, attempt: int, error: BaseException, info: ErrorInfo, *, wait: float | None = None
) -> None:
    """Writes one line for an attempt, and below it the user's own lines that led to the error.

    Args:
        task: The task.
        attempt: The attempt's number.
        error: What was raised.
        info: The same, as it travels.
        wait: Seconds until it is repeated; None when it is not.
    """
    # What was decided by hand surprises nobody.
    say = log.info if info.category == "control" else log.warning
    trace = None
    if info.code == HandlerError.code:
        trace = error.with_traceback(without_ours(error.__traceback__))
    again = {} if wait is None else {"retry_in": format_duration(round(wait, 1))}
    say(
        "task.attempt_failed",
        task_id=task.id,
        topic=task.topic,
        attempt=attempt,
        error=info.message,
        **again,
        exc_info=trace,
    )


def say_given_up(task: Task, attempt: int, result: Result, dead_letter: int) -> None:
    """Writes that a task ended without success, and where its dead letter is (0: there is none)."""
    error = result.error
    assert error is not None, "only what failed is given up"
    # Who sent a bad body has to mend it; the worker does what it should.
    say = {"control": log.info, "input": log.warning}.get(error.category, log.error)
    letter = {"dead_letter": f"pepperpy dlq show {dead_letter}"} if dead_letter else {}
    say(
        f"task.{result.state.verb}",
        task_id=task.id,
        topic=task.topic,
        attempts=attempt,
        code=error.code,
        error=error.message,
        **letter,
    )
