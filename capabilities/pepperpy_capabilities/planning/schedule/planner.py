"""The planner of schedules."""

from pepperpy_bus.installing import need
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.planning.schedule.solving import solve
from pepperpy_schemas.resource_plans import SchedulePlan, ScheduleProblem


class SchedulePlanner:
    """Says who does what when (scheduling with few resources)."""

    name = "schedule"
    problem = ScheduleProblem
    answer = SchedulePlan

    async def plan(self, problem: ScheduleProblem, means: Means) -> SchedulePlan:
        """Returns the best schedule, or the best that was found in the time.

        Raises:
            BadProblem: It names what is not there, or tasks wait for each other in a circle;
                ``context.field`` is the place.
            Infeasible: No schedule meets all conditions; ``context.conflicts`` has some that
                exclude each other, each of which is needed for that if ``context.minimal``.
            TooLong: None was found in the time; whether there is one is not known.
            TooBig: It has too many tasks.
            BadConfig: The extra ``planning`` is not installed.
        """
        need("planning schedules", ["ortools"], "planning")
        return await means.run_until(solve, problem, means.seconds)
