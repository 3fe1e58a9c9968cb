"""A planning task without parameters: facts are bits, states are whole numbers."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operator:
    """An action with its objects.

    Attributes:
        name: What it is called by people; empty for one that compiling has made.
        arguments: Its objects.
        cost: What it costs.
        needs: The facts that must hold, as numbers; those that must not have numbers of their own.
        adds: The facts that it makes true.
        deletes: The facts that it makes false, but for those that it makes true.
    """

    name: str
    arguments: tuple[str, ...]
    cost: int
    needs: tuple[int, ...]
    adds: tuple[int, ...]
    deletes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """What there is to plan.

    Attributes:
        facts: The facts as people read them, by their numbers.
        init: The state that it begins with.
        goal: The facts that must hold in the end.
        operators: What can be done.
    """

    facts: tuple[str, ...]
    init: int
    goal: tuple[int, ...]
    operators: tuple[Operator, ...]


def bits(facts: Iterable[int]) -> int:
    """Returns the facts as one number, a bit each."""
    state = 0
    for fact in facts:
        state |= 1 << fact
    return state


def members(state: int) -> list[int]:
    """Returns the facts that hold in a state."""
    found = []
    while state:
        lowest = state & -state
        found.append(lowest.bit_length() - 1)
        state ^= lowest
    return found


def after(state: int, operator: Operator) -> int:
    """Returns the state after an operator."""
    return state & ~bits(operator.deletes) | bits(operator.adds)


def can(state: int, operator: Operator) -> bool:
    """Returns whether an operator can be done in a state."""
    needs = bits(operator.needs)
    return state & needs == needs
