"""What actions cost: by the metric of their problem, with the objects that they are done with."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pepperpy_schemas.errors import BadProblem

if TYPE_CHECKING:
    from unified_planning.model import FNode, Problem
    from unified_planning.model import InstantaneousAction as Action


def cost_of_action(action: "Action", problem: "Problem") -> Callable[[tuple[str, ...]], int]:
    """Returns what an action costs with given objects: by the metric, or 1."""
    from unified_planning.model.metrics import MinimizeActionCosts

    metrics = [one for one in problem.quality_metrics if isinstance(one, MinimizeActionCosts)]
    node = metrics[0].get_action_cost(action) if metrics else None
    if not metrics:
        return lambda _: 1
    if node is None:
        return lambda _: 0

    def cost(arguments: tuple[str, ...]) -> int:
        given = {
            parameter: problem.object(name)
            for parameter, name in zip(action.parameters, arguments, strict=True)
        }
        value = _value(node.substitute(given), problem)
        if value < 0 or value != int(value):
            raise BadProblem(
                f"{action.name} costs {value}: costs must be whole and not negative",
                context={"field": "problem"},
            )
        return int(value)

    return cost


def _value(node: "FNode", problem: "Problem") -> float:
    if node.is_constant():
        return float(node.constant_value())
    if node.is_fluent_exp():
        return float(problem.initial_value(node).constant_value())
    if node.is_plus():
        return sum(_value(one, problem) for one in node.args)
    raise BadProblem(f"a cost cannot be read: {node}", context={"field": "domain"})
