"""Goals that are reached by tasks of many topics: methods, the plan, and what came of it."""

from typing import Annotated, Any, Final, Literal

import msgspec

from pepperpy_schemas.error import ErrorInfo
from pepperpy_schemas.graphs import MAX_PARALLEL, GraphSpec
from pepperpy_schemas.messages import Count
from pepperpy_schemas.problems import Answer, Problem

PLAN_TASKS: Final = "plan-tasks"
"""The topic of the tasks."""
MAX_METHODS: Final = 1000
MAX_STEPS: Final = 200
"""Steps of one method."""
MAX_REPLANS: Final = 100
MAX_MODEL: Final = 1024 * 1024
"""Bytes of a problem."""

StepName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
TaskName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
"""A topic, or a task that methods are declared for."""
Condition = Annotated[str, msgspec.Meta(max_length=1000)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A part of a method: a task of a topic, or one that has methods itself.

    Attributes:
        name: Its name in the method, for references.
        task: The topic, or the task that methods are declared for.
        input: What it is given, with references: ``${input.city}`` of what the method is given,
            ``${flight.result.price}`` of another step, ``{"$ref": "flight.result"}``.
        after: Steps that come before it, besides those that it refers to.
        each: A list, or a reference to one that is known when it is planned: one task for each
            element, which is ``${item}``; the result is the list of theirs.
    """

    name: StepName
    task: TaskName
    input: Any = None
    after: list[StepName] = []
    each: Any = None


class Method(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A way in which a task is done by others (a method of a hierarchical task network).

    Attributes:
        name: Its name.
        task: The task that it does.
        when: Only if this is true of what the task is given: ``input.km > 500``. Methods of a task
            are tried in the order in which they are declared.
        steps: What is to be done; none where nothing is.
        ordered: Whether each step comes after the one before it.
        output: What the task returns, with references; by default the results of the steps that
            no other step comes after, by name.
        attempts: How often it may be tried for one task, the first time included.
    """

    name: TaskName
    task: TaskName
    when: Condition = ""
    steps: Annotated[list[Step], msgspec.Meta(max_length=MAX_STEPS)] = []
    ordered: bool = False
    output: Any = None
    attempts: Annotated[int, msgspec.Meta(ge=1, le=MAX_REPLANS)] = 1


class TopicShape(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a topic takes and gives, as JSON Schemas.

    Attributes:
        topic: The topic.
        input: The schema of what it takes; everything when empty.
        output: The schema of what it returns; nothing is known of it when empty.
        description: What it does, in words.
    """

    topic: TaskName
    input: dict[str, Any] = {}
    output: dict[str, Any] = {}
    description: Annotated[str, msgspec.Meta(max_length=10_000)] = ""


class TaskProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """A goal that tasks shall reach: which ones, in which order, with what.

    Attributes:
        goal: The task that methods are declared for, or the goal in words for a model.
        input: What it is given.
        by: Who plans: the declared ``methods``, or a ``model``.
        methods: The methods, in the order in which they are tried.
        model: The alias of the model that plans.
        topics: The only topics that the plan may use; without any, methods may use all that are
            known, and a model those whose agents are up and are no stock agents.
        shapes: What topics take and give; without any, what the workers of the deployment say.
        run: Whether the plan is also carried out.
        replans: How often it may be changed when tasks fail.
        repairs: How often a model is told what is wrong with its plan.
        parallel: How many of its tasks run at once.
    """

    goal: Words
    input: Any = None
    by: Literal["methods", "model"] = "methods"
    methods: Annotated[list[Method], msgspec.Meta(max_length=MAX_METHODS)] = []
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "default"
    topics: Annotated[list[TaskName], msgspec.Meta(max_length=1000)] = []
    shapes: Annotated[list[TopicShape], msgspec.Meta(max_length=1000)] = []
    run: bool = False
    replans: Annotated[int, msgspec.Meta(ge=0, le=MAX_REPLANS)] = 5
    repairs: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    parallel: Annotated[int, msgspec.Meta(ge=1, le=1000)] = MAX_PARALLEL


class PlannedTask(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A task of a plan.

    Attributes:
        name: The name of its node in the graph.
        topic: Its topic.
        made_by: The methods that led to it, the outermost first: ``trip: by_train``.
        plan: In which plan it came in: 1 for the first.
        state: Whether it was carried out.
    """

    name: str
    topic: str
    made_by: list[str]
    plan: Annotated[int, msgspec.Meta(ge=1)] = 1
    state: Literal["planned", "completed"] = "planned"


class FailedTask(msgspec.Struct, frozen=True):
    """A task of a plan that failed.

    Attributes:
        name: The name of its node.
        topic: Its topic.
        error: What it failed with.
    """

    name: str
    topic: str
    error: ErrorInfo


class Replanned(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A change of a plan after tasks had failed.

    Attributes:
        plan: The number of the plan that it led to: 2 for the first change.
        failed: What had failed.
        changes: What was done about it: ``trip: by_train instead of by_car``.
        kept: How many tasks were completed by then and are part of the new plan.
        added: Tasks that are new.
        left_out: Tasks that are no longer part of it, completed ones among them.
    """

    plan: Annotated[int, msgspec.Meta(ge=2)]
    failed: list[FailedTask]
    changes: list[str]
    kept: Count = 0
    added: list[str] = []
    left_out: list[str] = []


class TaskPlan(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """A plan of tasks; when it was carried out, also what came of it.

    Attributes:
        graph: The tasks as the orchestrator runs them: submit it to ``orchestrate``.
        tasks: Which method made each of them.
        done: Whether it was carried out.
        result: What the goal returned, if it was.
        replanned: What was changed while it ran.
    """

    graph: GraphSpec
    tasks: list[PlannedTask]
    done: bool = False
    result: Any = None
    replanned: list[Replanned] = []
