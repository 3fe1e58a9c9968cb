"""The planners that come with PepperPy, in the order in which they are shown."""

from typing import Any

from pepperpy_capabilities.planning.actions.planner import ActionPlanner
from pepperpy_capabilities.planning.goals.planner import GoalPlanner
from pepperpy_capabilities.planning.planner import Planner
from pepperpy_capabilities.planning.schedule.planner import SchedulePlanner
from pepperpy_capabilities.planning.tasks.planner import TaskPlanner

BUILT_IN: tuple[Planner[Any, Any], ...] = (
    ActionPlanner(),
    SchedulePlanner(),
    TaskPlanner(),
    GoalPlanner(),
)
