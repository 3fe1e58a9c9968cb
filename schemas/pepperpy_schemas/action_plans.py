"""Which actions lead from a state to a goal: classical planning, in PDDL or in a small JSON form.

A fact is a name with its objects, ``on a b``; one that must not hold has ``not`` before it. In an
action, the names of its parameters stand for objects.
"""

from typing import Annotated, Final

import msgspec

from pepperpy_schemas.messages import Count
from pepperpy_schemas.problems import Answer, Problem

PLAN_ACTIONS: Final = "plan-actions"
"""The topic of these problems."""
MAX_PDDL: Final = 1_000_000
"""Characters of the longest domain or problem."""
MAX_LISTED: Final = 10_000
"""Most objects, facts or actions."""
OWN: Final = "pepperpy"
"""The engine that comes with PepperPy."""

Pddl = Annotated[str, msgspec.Meta(max_length=MAX_PDDL)]
Fact = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Facts = Annotated[list[Fact], msgspec.Meta(max_length=MAX_LISTED)]


class ActionSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What can be done.

    Attributes:
        name: Its name.
        parameters: The objects that it is done with: name to type, in order; ``object`` is any.
        when: Facts that must hold before it, ``clear x``, or must not, ``not clear x``; ``x = y``
            and ``not x = y`` compare objects.
        then: Facts that hold after it, or, with ``not``, do not any more.
        cost: What it costs.
    """

    name: str
    parameters: dict[str, str] = {}
    when: Facts = []
    then: Facts
    cost: Count = 1


class ActionProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """A state, a goal, and the actions that there are: as PDDL, or as objects, actions and facts.

    Attributes:
        domain: A domain in PDDL.
        problem: A problem of it in PDDL.
        types: Instead of PDDL: each type with the one that it is a kind of, or ``object``.
        objects: Each object with its type, or ``object``.
        actions: What can be done.
        init: The facts that hold at first; all others do not.
        goal: The facts that must hold, or must not, in the end.
        optimal: Whether to go on until the cheapest plan is found and proved to be it, or the
            time is over. The first plan is given without.
        engine: Who plans: ``pepperpy``, or an engine of unified-planning that is installed beside
            it, by its name there, as ``fast-downward-opt``.
    """

    domain: Pddl = ""
    problem: Pddl = ""
    types: dict[str, str] = {}
    objects: Annotated[dict[str, str], msgspec.Meta(max_length=MAX_LISTED)] = {}
    actions: Annotated[list[ActionSpec], msgspec.Meta(max_length=MAX_LISTED)] = []
    init: Facts = []
    goal: Facts = []
    optimal: bool = True
    engine: str = OWN


class ActionUse(msgspec.Struct, frozen=True):
    """What a step is good for.

    Attributes:
        fact: A fact that the step makes true.
        step: The later step that needs it, counted from 1; 0 is the goal.
    """

    fact: str
    step: Count


class ActionStep(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A step of a plan.

    Attributes:
        action: The action.
        arguments: The objects that it is done with, in the order of its parameters.
        cost: What it costs.
        serves: What it is good for. A step without any could be left out.
    """

    action: str
    arguments: list[str] = []
    cost: Count = 1
    serves: list[ActionUse] = []


class ActionPlan(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """A plan: its steps, done one after the other, lead to the goal.

    Attributes:
        steps: The steps; none when the goal holds already.
        cost: What they cost together.
        optimal: Whether it is proved that no plan costs less.
        engine: Who planned.
        states: How many states were looked at, where that is known.
    """

    steps: list[ActionStep]
    cost: Count
    optimal: bool
    engine: str = OWN
    states: Count = 0
