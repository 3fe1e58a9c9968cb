"""The planner of actions."""

from pepperpy_bus.installing import need
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.actions.solving import solve
from pepperpy_capabilities.planning.actions.writing import Written, as_pddl
from pepperpy_schemas.action_plans import ActionPlan, ActionProblem
from pepperpy_schemas.errors import BadProblem


class ActionPlanner:
    """Finds the actions that lead from a state to a goal (classical planning)."""

    name = "actions"
    problem = ActionProblem
    answer = ActionPlan

    async def plan(self, problem: ActionProblem, means: Means) -> ActionPlan:
        """Returns the cheapest plan, or the cheapest that was found in the time.

        Raises:
            BadProblem: It cannot be read, or has what cannot be planned with; ``context.line`` is
                the line in PDDL, ``context.field`` the place otherwise.
            NoPlan: No plan reaches the goal, as was proved.
            TooLong: No plan was found in the time; whether there is one is not known.
            TooBig: It has too many actions with objects.
            BadConfig: The engine is not installed, or the extra ``planning`` is not.
        """
        need("planning actions", ["unified_planning", "clingo"], "planning")
        written = _pddl(problem)
        return await means.run_until(solve, written, problem.engine, means.seconds, problem.optimal)


def _pddl(problem: ActionProblem) -> Written:
    lists = (problem.types, problem.objects, problem.actions, problem.init, problem.goal)
    if not problem.domain and not problem.problem:
        return as_pddl(problem)
    if not problem.domain or not problem.problem:
        missing = "problem" if problem.domain else "domain"
        raise BadProblem(
            f"PDDL needs a domain and a problem, and {missing} is empty",
            context={"field": missing},
        )
    if any(lists):
        raise BadProblem(
            "give it as PDDL or as actions and facts, not both", context={"field": "domain"}
        )
    return Written(problem.domain, problem.problem, {})
