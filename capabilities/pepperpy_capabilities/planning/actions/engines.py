"""Other engines: those of unified-planning that people have installed, by their names there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pepperpy_capabilities.planning.actions.task import Operator, Task, after, bits, can
from pepperpy_schemas.errors import BadConfig, BadProblem, NoPlan, TooLong

if TYPE_CHECKING:
    from unified_planning.model import Problem


def plan_by(
    engine: str, problem: "Problem", task: Task, names: Mapping[str, str], seconds: float
) -> tuple[list[Operator], bool]:
    """Returns the plan of an engine, checked, and whether it proved that none is cheaper.

    Args:
        engine: Its name in unified-planning.
        problem: The problem as it has it.
        task: The same problem, as we have it.
        names: What names in the problem stand for in the task.
        seconds: How long it may take.

    Raises:
        BadConfig: There is no such engine here.
        BadProblem: It cannot plan such problems.
        NoPlan: It proved that there is no plan.
        TooLong: It found none.
    """
    from unified_planning.engines import PlanGenerationResultStatus as Status
    from unified_planning.exceptions import UPException

    environment = problem.environment
    environment.credits_stream = None
    factory = environment.factory
    known = sorted(one for one in factory.engines if factory.engine(one).is_oneshot_planner())
    if engine not in known:
        raise BadConfig(
            f"there is no engine {engine!r} here",
            hint="install one for unified-planning, as up-fast-downward, or leave engine out",
            context={"field": "engine", "known": known},
        )
    try:
        with environment.factory.OneshotPlanner(name=engine) as planner:
            asked = _with_metric(problem)
            if not planner.supports(asked.kind):
                asked = problem
            if not planner.supports(asked.kind):
                raise BadProblem(
                    f"the engine {engine} cannot plan such problems", context={"field": "engine"}
                )
            result = planner.solve(asked, timeout=seconds)
    except UPException as error:
        raise BadProblem(f"the engine {engine} refuses it: {error}") from None
    if result.plan is None:
        if result.status == Status.UNSOLVABLE_PROVEN:
            raise NoPlan(f"no plan reaches the goal, as {engine} has proved")
        raise TooLong(
            f"{engine} found no plan and proved nothing ({result.status.name.lower()}); whether "
            "there is one is not known",
            context={"seconds": seconds},
        )
    steps = [
        tuple(names.get(n, n) for n in (one.action.name, *map(str, one.actual_parameters)))
        for one in result.plan.actions
    ]
    return checked(task, steps, engine), result.status == Status.SOLVED_OPTIMALLY


def _with_metric(problem: "Problem") -> "Problem":
    """Says that the shortest plan is wanted: engines prove nothing that nobody asks for."""
    from unified_planning.model.metrics import MinimizeSequentialPlanLength

    if problem.quality_metrics:
        return problem
    copy = problem.clone()
    copy.add_quality_metric(MinimizeSequentialPlanLength(copy.environment))
    return copy


def checked(task: Task, steps: Sequence[tuple[str, ...]], engine: str) -> list[Operator]:
    """Returns the operators that steps are; one with conditional effects is several here.

    Raises:
        RuntimeError: They are no plan: the engine is wrong.
    """
    state, plan = task.init, []
    by_step: dict[tuple[str, ...], list[Operator]] = {}
    for one in task.operators:
        by_step.setdefault((one.name, *one.arguments), []).append(one)
    for place, step in enumerate(steps, 1):
        operator = next((one for one in by_step.get(step, ()) if can(state, one)), None)
        if operator is None:
            raise RuntimeError(f"step {place} of {engine}'s plan cannot be done: {step}")
        state = after(state, operator)
        plan.append(operator)
    for one in by_step.get(("",), ()):  # what stands for a goal with alternatives
        if can(state, one) and state & bits(task.goal) != bits(task.goal):
            state = after(state, one)
            plan.append(one)
    if state & bits(task.goal) != bits(task.goal):
        raise RuntimeError(f"{engine}'s plan does not reach the goal")
    return plan
