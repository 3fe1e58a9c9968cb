"""What the edge says and is told, as Structs; its OpenAPI document is made of them, too."""

from typing import Annotated, Any

import msgspec

from pepperpy_schemas.errors import ErrorInfo
from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.states import TaskState


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is on its way.

    Attributes:
        id: Its id.
        topic: Its topic.
        url: Where to ask for it.
    """

    id: str
    topic: str
    url: str


class TaskView(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task as it is now.

    Attributes:
        id: Its id.
        state: Where it is in its life.
        topic: Its topic; empty when nothing tells it any more.
        attempt: The attempt that ended it; 0 while it has not ended.
        data: What it returned, when it completed.
        error: What it failed with, when it did.
    """

    id: str
    state: TaskState
    topic: str = ""
    attempt: Count = 0
    data: Any = None
    error: ErrorInfo | None = None


class Cancellation(msgspec.Struct, frozen=True):
    """A task that shall end.

    Attributes:
        id: The task.
        canceled: Whether it has ended; else it will, as soon as a worker hears of it.
    """

    id: str
    canceled: bool


class OpenQuestion(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a task asks people.

    Attributes:
        task: The task.
        topic: Its topic.
        question: Number of the question.
        text: The question.
        asked: When it was asked.
        choices: The answers that are allowed; any when there are none.
        deadline: Until when; null for ever.
        schema: JSON Schema that an answer must fit; null for none.
        answered: Whether an answer is there that no worker has taken yet.
    """

    task: str
    topic: str
    question: Count
    text: str
    asked: Instant
    choices: list[Any] = []
    deadline: Instant | None = None
    schema: dict[str, Any] | None = None
    answered: bool = False


class Questions(msgspec.Struct, frozen=True):
    """What tasks ask people now, the oldest first.

    Attributes:
        items: The questions.
    """

    items: list[OpenQuestion]


class GivenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer to a task's question.

    Attributes:
        answer: The answer: one of the choices, or what fits the schema.
        question: Number of the question, when only that one is meant.
    """

    answer: Any
    question: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Answered(msgspec.Struct, frozen=True):
    """A question that was answered.

    Attributes:
        id: The task.
        question: Number of the question.
    """

    id: str
    question: Count


class Failure(msgspec.Struct, frozen=True):
    """Why a request was refused, or what a task failed with.

    Attributes:
        error: The error, as the bus says it.
    """

    error: ErrorInfo
