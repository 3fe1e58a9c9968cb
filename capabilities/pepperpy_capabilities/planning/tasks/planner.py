"""The planner of tasks: by methods or a model, checked against the topics before anything runs."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.tasks.binding import Bound
from pepperpy_capabilities.planning.tasks.changing import Changed, other_methods, result_scope
from pepperpy_capabilities.planning.tasks.checking import check
from pepperpy_capabilities.planning.tasks.decomposing import decompose
from pepperpy_capabilities.planning.tasks.draft import Draft, Tried
from pepperpy_capabilities.planning.tasks.explaining import explain, planned_tasks
from pepperpy_capabilities.planning.tasks.graphing import whole_graph
from pepperpy_capabilities.planning.tasks.methods import read_methods
from pepperpy_capabilities.planning.tasks.topics import topics_for, topics_for_model
from pepperpy_capabilities.planning.tasks.writing import GOAL, WRITTEN, Happened, write_method
from pepperpy_schemas.errors import BadProblem, TooBig
from pepperpy_schemas.task_plans import MAX_MODEL, MAX_REPLANS, Method, TaskPlan, TaskProblem

_MIB: Final = 1024 * 1024


class TaskPlanner:
    """Makes a graph of tasks for a goal (hierarchical task network, or a model)."""

    name = "tasks"
    problem = TaskProblem
    answer = TaskPlan

    async def plan(self, problem: TaskProblem, means: Means) -> TaskPlan:
        """Returns the plan; it is not carried out.

        Raises:
            BadProblem: It names a wrong input, a cycle, or a reference to nothing;
                ``context.field`` is the place.
            UnknownTopic: Nobody works on a topic, and it has no methods.
            NoPlan: No method leads to the goal.
            BadOutput: The model's plans cannot run.
            TooBig: The problem or its plan is larger than it may be.
        """
        draft = await first_draft(problem, means)
        graph = whole_graph(draft, problem.parallel)
        tasks = planned_tasks(draft, {})
        return TaskPlan(graph=graph, tasks=tasks, explanation=explain(problem, draft, tasks))


async def first_draft(problem: TaskProblem, means: Means) -> Draft:
    """Returns the first plan of a problem, checked; see `TaskPlanner.plan`."""
    if (size := len(to_json(problem))) > MAX_MODEL:
        raise TooBig(
            f"the problem has {size / _MIB:.1f} MiB, {MAX_MODEL // _MIB} at most",
            context={"size": size},
        )
    if problem.by == "model":
        return await _written(problem, means, None, {}, None)
    draft = await means.run(_decomposed, problem, {}, {})
    await _check(problem, draft, means)
    return draft


async def next_draft(
    problem: TaskProblem,
    means: Means,
    draft: Draft,
    failed: list[str],
    happened: Happened,
) -> Changed:
    """Returns the plan that goes on after tasks have failed; what is completed stays.

    Raises:
        NoPlan: No other method is left.
        BadOutput: The model's plans cannot run.
    """
    if problem.by == "model":
        kept = {name: draft.tasks[name] for name in happened.results}
        made = await _written(problem, means, happened, kept, draft)
        return Changed(made, ["the model was told what failed, and wrote the rest anew"])
    changed = await means.run(_changed, problem, draft, failed)
    assert changed.draft is not None, "without another way it raises"
    await _check(problem, changed.draft, means)
    return changed


def _decomposed(problem: TaskProblem, tried: Tried, names: Mapping[str, str]) -> Draft:
    methods = read_methods(problem.methods)
    if problem.goal not in methods:
        raise BadProblem(
            f"goal: no method is declared for {problem.goal!r:.80}",
            hint=f"there are methods for {', '.join(methods) or 'nothing'}"[:500],
            context={"field": "goal"},
        )
    return decompose(problem.goal, problem.input, methods, tried=tried, names=names)


def _changed(problem: TaskProblem, draft: Draft, failed: list[str]) -> Changed:
    def again(tried: Tried, names: Mapping[str, str]) -> Draft:
        return _decomposed(problem, tried, names)

    return other_methods(draft, failed, again)


async def _check(problem: TaskProblem, draft: Draft, means: Means) -> None:
    topics = await topics_for(problem, means.context)
    if topics is not None:
        await means.run(check, draft, dict(topics), problem.topics)


async def _written(
    problem: TaskProblem,
    means: Means,
    happened: Happened | None,
    kept: Mapping[str, Any],
    before: Draft | None,
) -> Draft:
    topics = await topics_for_model(problem, means.context)
    if not topics:
        raise BadProblem(
            "there are no topics that a plan could use",
            hint="start workers, or say what topics take: shapes",
            context={"field": "topics"},
        )
    scope: Mapping[str, Bound] = result_scope(happened.results) if happened else {}
    names = before.names if before else {}
    tried = {GOAL: [*before.tried.get(GOAL, []), WRITTEN]} if before else {}

    def draft_of(method: Method) -> Draft:
        methods = read_methods([msgspec.structs.replace(method, attempts=MAX_REPLANS)])
        made = decompose(GOAL, problem.input, methods, tried=tried, names=names, kept=scope)
        check(made, topics, problem.topics)
        whole_graph(made, problem.parallel)
        return made

    made = await write_method(
        means.llm,
        problem.goal,
        problem.input,
        topics,
        draft_of,
        model=problem.model,
        repairs=problem.repairs,
        happened=happened,
    )
    return Draft({**kept, **made.tasks}, made.output, made.names, made.tried)
