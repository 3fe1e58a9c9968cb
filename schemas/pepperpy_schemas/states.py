"""The states of a task, in the words of the A2A protocol."""

from enum import StrEnum


class TaskState(StrEnum):
    """Where a task is in its life.

    A task with a result is in the state its result says; with an open question in its journal it
    is ``input-required``; with a journal or a started event ``working``; else ``submitted``.
    """

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        """Whether nothing can follow this state."""
        return self in _TERMINAL

    @property
    def verb(self) -> str:
        """The state as a token of an event's subject (``input_required``)."""
        return self.value.replace("-", "_")


_TERMINAL = frozenset(
    {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED, TaskState.REJECTED}
)
