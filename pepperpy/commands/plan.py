"""`pepperpy plan`: plan actions, schedules and whatever else planners plan, from a file."""

import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepperpy.commands._ends import WAIT, WAIT_FOR, WaitCommand
from pepperpy.commands._solving import LIMIT

if TYPE_CHECKING:
    from pepperpy_schemas.problems import Answer, Problem

command_class = WaitCommand

_PROBLEM = re.compile(r"\(\s*define\s*\(\s*problem\b", re.IGNORECASE)
_WHOSE = (
    "say who plans with --planner: {names}; "
    "what is to be reasoned about: pepperpy reason, decide, solve"
)
_WITH_MODEL = "add --run: the planner at work on the bus asks models"

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="The problem, in YAML or JSON, or a domain in PDDL; - is stdin."
    ),
]


def command(
    ctx: typer.Context,
    file: FileArgument,
    problem_file: Annotated[
        Path | None, typer.Argument(metavar="[PROBLEM]", help="The problem of a domain in PDDL.")
    ] = None,
    planner: Annotated[
        str, typer.Option(metavar="NAME", help="Who plans, where the keys do not say it.")
    ] = "",
    limit: Annotated[str | None, LIMIT] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw a schedule as well: an .svg or a .png."),
    ] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print tasks as a Mermaid diagram.")
    ] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Submit it: tasks are carried out, a goal is watched.")
    ] = False,
    wait: Annotated[bool, WAIT] = False,
    wait_for: Annotated[str | None, WAIT_FOR] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Plan what a file asks for, here, without a broker, and say why it is planned so.

    The keys of the file say who plans it: actions that lead to a goal, a schedule of jobs on
    resources, tasks of a goal by methods, the parts of a goal that are measured, or what planners
    of installed packages plan. With --run the stock agent `planner` does it.
    """
    from pepperpy.commands._ends import duration
    from pepperpy.commands._failure import refused
    from pepperpy.commands._lasting_plans import print_mermaid, submit_plan
    from pepperpy.commands._output import print_json
    from pepperpy.commands._solving import solved
    from pepperpy_capabilities.offering import PLANNERS, every
    from pepperpy_capabilities.pictures.picture import picture_format
    from pepperpy_capabilities.planning.built_in import BUILT_IN
    from pepperpy_schemas.resource_plans import SchedulePlan, ScheduleProblem
    from pepperpy_schemas.task_plans import TaskPlan, TaskProblem

    if picture is not None:
        picture_format(picture)
    with refused(as_json=as_json):
        chosen, problem, telling = _read(
            ctx, file, problem_file, planner, every(PLANNERS, BUILT_IN)
        )
        if picture is not None and not isinstance(problem, ScheduleProblem):
            raise typer.BadParameter("only schedules have a picture", param_hint="--picture")
        if mermaid and not isinstance(problem, TaskProblem):
            raise typer.BadParameter("only plans of tasks have a diagram", param_hint="--mermaid")
        if run:
            seconds = duration(wait_for, "--wait")
            topic = PLANNERS.topic(chosen.name)
            done = submit_plan(ctx, topic, problem, wait=wait, limit=seconds, as_json=as_json)
            if done is None:
                return
            plan = done
        else:
            with telling:
                plan = solved(chosen.plan, problem, limit, with_model=_WITH_MODEL)
    if as_json:
        print_json(plan)
    elif mermaid and isinstance(plan, TaskPlan):
        print_mermaid(plan)
    else:
        _print(plan, problem)
    if picture and isinstance(plan, SchedulePlan) and isinstance(problem, ScheduleProblem):
        from pepperpy_capabilities.planning.schedule.gantt import draw_gantt

        draw_gantt(plan, problem, picture)


def _read(
    ctx: typer.Context, file: Path, problem_file: Path | None, planner: str, planners: list[Any]
) -> "tuple[Any, Problem, AbstractContextManager[None]]":
    """Returns who plans, the problem, and what has errors name the file and the line."""
    from pepperpy.commands._failure import WrongUsage
    from pepperpy_capabilities.problem_files import (
        read_problem,
        read_text,
        telling_files,
        telling_lines,
    )
    from pepperpy_schemas.action_plans import ActionProblem

    origin = "stdin" if str(file) == "-" else str(file)
    text = sys.stdin.read() if origin == "stdin" else read_text(file)
    if text.lstrip().startswith(("(", ";")):
        if problem_file is None:
            raise typer.BadParameter(
                "a domain in PDDL needs a second file, with its problem", param_hint="PROBLEM"
            )
        second = read_text(problem_file)
        if _PROBLEM.search(text) and not _PROBLEM.search(second):
            said = f"swap the files: {origin} is the problem, and the domain comes first"
            raise WrongUsage(said, ctx)
        actions = next(one for one in planners if one.problem is ActionProblem)
        telling = telling_files({"domain": origin, "problem": str(problem_file)})
        return actions, ActionProblem(domain=text, problem=second), telling
    if problem_file is not None:
        raise typer.BadParameter(f"{file} is not PDDL: it is the problem", param_hint="PROBLEM")
    chosen, problem = read_problem(text, planners, origin=origin, name=planner, hint=_WHOSE)
    return chosen, problem, telling_lines(text, origin=origin)


def _print(plan: "Answer", problem: "Problem") -> None:
    """Prints the steps as a table, where there are some, and why they are these."""
    from pepperpy.commands._lasting_plans import goal_rows, task_rows, task_words
    from pepperpy.commands._output import print_rows
    from pepperpy_bus.redaction import escape
    from pepperpy_schemas.action_plans import ActionPlan
    from pepperpy_schemas.goal_plans import GoalReport
    from pepperpy_schemas.resource_plans import SchedulePlan
    from pepperpy_schemas.task_plans import TaskPlan

    words = plan.explanation.splitlines()
    if isinstance(plan, ActionPlan):
        words = words[:1]  # the table has the others
        print_rows(_steps(plan), as_json=False)
    elif isinstance(plan, SchedulePlan):
        print_rows(_assignments(plan), as_json=False)
    elif isinstance(plan, TaskPlan):
        words = task_words(plan, problem)
        print_rows(task_rows(plan), as_json=False)
    elif isinstance(plan, GoalReport):
        words = words[:1] if plan.looks else [*words[:1], "With --run it is, on the bus."]
        print_rows(goal_rows(plan), as_json=False)
    for line in words:
        typer.echo(escape(line))


def _steps(plan: Any) -> list[dict[str, Any]]:
    return [
        {
            "step": place,
            "action": " ".join([one.action, *one.arguments]),
            "cost": one.cost,
            "serves": ", ".join(f"{use.fact} → {use.step or 'goal'}" for use in one.serves),
        }
        for place, one in enumerate(plan.steps, 1)
    ]


def _assignments(plan: Any) -> list[dict[str, Any]]:
    return [
        {
            "task": f"{one.job}/{one.task}",
            "start": one.starts or one.start,
            "end": one.ends or one.end,
            "uses": [f"{name}×{n}" if n > 1 else name for name, n in one.uses.items()],
            "critical": one.critical,
        }
        for one in plan.assignments
    ]
