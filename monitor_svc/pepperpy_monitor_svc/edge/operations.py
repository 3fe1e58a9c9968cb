"""What can be asked of the edge, each request once: for the router and the OpenAPI document."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pepperpy_monitor_svc.edge import tasks, watching
from pepperpy_monitor_svc.edge.messages import (
    Answered,
    Cancellation,
    GivenAnswer,
    Questions,
    Submitted,
    TaskView,
)
from pepperpy_monitor_svc.edge.submission import LONGEST_WAIT
from pepperpy_monitor_svc.http.middlewares import Handler
from pepperpy_schemas import headers as h

TEXT: Final[dict[str, Any]] = {"type": "string"}
DURATION: Final[dict[str, Any]] = {"type": "string", "examples": ["30s", "5m"]}
NAME: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}


class Parameter(msgspec.Struct, frozen=True):
    """A value beside the body.

    Attributes:
        name: Its name.
        place: Where it stands: ``query`` or ``header``.
        meaning: What it says.
        schema: Its JSON Schema.
    """

    name: str
    place: str
    meaning: str
    schema: Mapping[str, Any] = msgspec.field(default_factory=lambda: TEXT)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is answered.

    Attributes:
        method: The method.
        path: The path; ``{name}`` is a topic or a task's id.
        id: Its name in programs that are made of the document.
        summary: What it does.
        handler: What answers it.
        parameters: Values beside the body.
        name: What ``{name}`` is here; empty without one.
        body: What the body is; `Any` for any, None for none.
        answers: What comes back by status: the type and what it means.
        stream: Whether it is answered with server-sent events.
        failures: Statuses of its errors.
    """

    method: str
    path: str
    id: str
    summary: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    name: str = ""
    body: Any = None
    answers: Mapping[int, tuple[Any, str]]
    stream: bool = False
    failures: tuple[int, ...] = ()


WAIT: Final = Parameter(
    "wait", "query", f"How long to wait for its end, at most {LONGEST_WAIT:g}s.", DURATION
)

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/tasks/{name}",
        id="submitTask",
        summary="Submits a task; with `wait`, answers with its end.",
        handler=tasks.submit,
        name="The topic.",
        parameters=(
            WAIT,
            Parameter(h.ID, "header", "The task's id; the same twice is one task.", NAME),
            Parameter(h.IDEMPOTENCY_KEY, "header", "The same twice, of one caller, is one task."),
            Parameter(h.KEY, "header", "Tasks of one key run one after the other."),
            Parameter(
                h.PRIORITY,
                "header",
                "`high` goes before the backlog.",
                {"type": "string", "enum": list(h.PRIORITIES)},
            ),
            Parameter(h.TIMEOUT, "header", "From now to the task's deadline.", DURATION),
            Parameter(h.TRACEPARENT, "header", "W3C trace context: the span that calls."),
        ),
        body=Any,
        answers={
            200: (TaskView, "It was waited for, and completed."),
            202: (Submitted, "It is stored, and will be done."),
        },
        failures=(400, 409, 413, 415, 422, 429, 500, 502, 503, 504),
    ),
    Operation(
        method="GET",
        path="/v1/tasks/{name}",
        id="getTask",
        summary="Says where a task is, and how it ended.",
        handler=tasks.look_up,
        name="The task's id.",
        parameters=(WAIT,),
        answers={200: (TaskView, "The task as it is now.")},
        failures=(400, 404, 429, 503),
    ),
    Operation(
        method="DELETE",
        path="/v1/tasks/{name}",
        id="cancelTask",
        summary="Ends a task and its children.",
        handler=tasks.cancel,
        name="The task's id.",
        parameters=(
            Parameter("wait", "query", "How long to wait until it has ended.", DURATION),
            Parameter("reason", "query", "Why, for people."),
        ),
        answers={
            200: (Cancellation, "It has ended."),
            202: (Cancellation, "It will end as soon as a worker hears of it."),
        },
        failures=(400, 404, 409, 429, 503),
    ),
    Operation(
        method="GET",
        path="/v1/tasks/{name}/events",
        id="watchTask",
        summary="Streams events, live output and the end of a task, from its beginning.",
        handler=watching.events,
        name="The task's id.",
        parameters=(
            Parameter("Last-Event-ID", "header", "Where the stream was: it goes on after that."),
        ),
        answers={
            200: (str, "Frames `event`, `token`, `gap`, and at last `ended`."),
            204: (None, "The end was told already."),
        },
        stream=True,
        failures=(400, 404, 429, 503),
    ),
    Operation(
        method="GET",
        path="/v1/questions",
        id="listQuestions",
        summary="Lists what tasks ask people now.",
        handler=tasks.questions,
        parameters=(Parameter("topic", "query", "Only of tasks of this topic.", NAME),),
        answers={200: (Questions, "The questions, the oldest first.")},
        failures=(400, 429, 503),
    ),
    Operation(
        method="POST",
        path="/v1/tasks/{name}/answer",
        id="answerTask",
        summary="Answers what a task asks; the first answer counts.",
        handler=tasks.answer,
        name="The task's id.",
        body=GivenAnswer,
        answers={200: (Answered, "The answer is stored.")},
        failures=(400, 404, 409, 413, 429, 503),
    ),
)
