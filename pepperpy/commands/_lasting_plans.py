"""Plans that can be carried out: submitted, and shown as tables and diagrams."""

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pepperpy_schemas.goal_plans import GoalReport
    from pepperpy_schemas.problems import Answer, Problem
    from pepperpy_schemas.task_plans import TaskPlan

_STOCK = "pepperpy_capabilities.planning.planner_agent:agent"


def submit_plan(
    ctx: typer.Context,
    topic: str,
    problem: "Problem",
    *,
    wait: bool,
    limit: float | None,
    as_json: bool,
) -> "Answer | None":
    """Submits a problem to be planned and carried out; prints its id, or waits for its end.

    Args:
        ctx: The command's context.
        topic: The planner's topic.
        problem: The problem.
        wait: Whether to wait.
        limit: How long, in seconds; None for as long as it takes.
        as_json: Whether to print JSON.

    Returns:
        What came of it, if it was waited for.

    Raises:
        typer.Exit: It failed (code 1).
    """
    import msgspec

    from pepperpy.commands._ends import ended, show_end
    from pepperpy.commands._failure import say
    from pepperpy.commands._output import print_json
    from pepperpy.commands._session import open_bus, run
    from pepperpy_schemas.codec import decode
    from pepperpy_schemas.goal_plans import GoalProblem, GoalReport
    from pepperpy_schemas.task_plans import TaskPlan, TaskProblem

    kind: type[Answer]
    if isinstance(problem, TaskProblem):
        problem, kind = msgspec.structs.replace(problem, run=True), TaskPlan
    elif isinstance(problem, GoalProblem):
        problem, kind = msgspec.structs.replace(problem, watch=True), GoalReport
    else:
        raise typer.BadParameter(
            "only plans of tasks are carried out, and goals watched", param_hint="--run"
        )

    async def submit() -> "Answer | None":
        async with open_bus(ctx) as client:
            if await client.schemas.latest(topic) is None:
                say("no planner has ever been up; the plan waits for one")
                say(f"  hint: pepperpy worker {_STOCK}")
            submitted = await client.submit(topic, problem)
            if not wait:
                print_json({"id": submitted}) if as_json else typer.echo(submitted)
                return None
            end = await ended(client, submitted, limit)
            if not end.result.ok:
                show_end(end, as_json=as_json)
            return decode(bytes(end.result.data), kind)

    answer: Answer | None = run(submit())
    return answer


def task_rows(plan: "TaskPlan") -> list[dict[str, Any]]:
    """Returns a plan of tasks as the rows of a table."""
    needs = _needs(plan)
    return [
        {
            "task": one.name,
            "topic": one.topic,
            "after": needs.get(one.name, []),
            "made by": " / ".join(one.made_by),
            "plan": one.plan,
            "state": one.state,
        }
        for one in plan.tasks
    ]


def task_words(plan: "TaskPlan", problem: "Problem") -> list[str]:
    """Returns what is said of a plan of tasks besides its table."""
    from pepperpy_schemas.codec import encode
    from pepperpy_schemas.task_plans import TaskProblem

    lines = plan.explanation.splitlines()
    words = [*lines[:1], *lines[len(plan.tasks) + 1 :]]
    if plan.done:
        return [*words, f"result: {encode(plan.result).decode()}"]
    if isinstance(problem, TaskProblem) and not problem.shapes:
        words.append("Topics were not checked: without a broker nobody says what they take.")
    return words


def goal_rows(told: "GoalReport") -> list[dict[str, Any]]:
    """Returns the parts of a goal as the rows of a table."""
    return [
        {
            "sub-goal": one.name,
            "state": one.state if told.looks else "not measured",
            "done": f"{one.fraction:.0%}" if told.looks else None,
            "value": one.value,
            "target": one.target,
            "events": one.events if told.looks else None,
            "by": one.by,
        }
        for one in told.sub_goals
    ]


def print_mermaid(plan: "TaskPlan") -> None:
    """Prints the diagram of a plan of tasks."""
    from pepperpy_bus.graphs.mermaid import mermaid
    from pepperpy_bus.graphs.picture import planned
    from pepperpy_bus.graphs.plan import make_plan

    if not plan.graph.nodes:
        typer.echo("flowchart LR")
        return
    picture = planned(make_plan(plan.graph))
    for one in plan.tasks:
        if one.state == "completed" and one.name in picture.nodes:
            picture.nodes[one.name].state = "completed"
    typer.echo(mermaid(picture), nl=False)


def _needs(plan: "TaskPlan") -> dict[str, list[str]]:
    from pepperpy_bus.graphs.plan import make_plan

    if not plan.graph.nodes:
        return {}
    return {name: list(one.needs) for name, one in make_plan(plan.graph).nodes.items()}
