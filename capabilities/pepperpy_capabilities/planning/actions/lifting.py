"""Problems of unified-planning as conditions and effects: what grounding needs, and no more.

Quantifiers, alternatives and conditional effects are compiled away by unified-planning first; its
way back leads from each action to the one that people know.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pepperpy_capabilities.planning.actions.costs import cost_of_action
from pepperpy_schemas.errors import BadProblem, NoPlan

if TYPE_CHECKING:
    from unified_planning.model import FNode, Problem
    from unified_planning.model import InstantaneousAction as Action

_CAN = frozenset(
    {
        "ACTION_BASED",
        "FLAT_TYPING",
        "HIERARCHICAL_TYPING",
        "NEGATIVE_CONDITIONS",
        "DISJUNCTIVE_CONDITIONS",
        "EQUALITIES",
        "EXISTENTIAL_CONDITIONS",
        "UNIVERSAL_CONDITIONS",
        "CONDITIONAL_EFFECTS",
        "FORALL_EFFECTS",
        "ACTIONS_COST",
        "STATIC_FLUENTS_IN_ACTIONS_COST",
        "INT_NUMBERS_IN_ACTIONS_COST",
        "REAL_NUMBERS_IN_ACTIONS_COST",
        "NUMERIC_FLUENTS",
        "INT_FLUENTS",
        "REAL_FLUENTS",
    }
)

Term = int | str
"""A parameter of the action by its place, or an object by its name."""
Atom = tuple[str, tuple[Term, ...]]


@dataclass(frozen=True, slots=True)
class Schema:
    """An action with parameters.

    Attributes:
        name: The name that it has now, after compiling.
        types: The types of its parameters.
        needs: Facts that must hold.
        forbids: Facts that must not.
        same: Pairs that must be one object.
        different: Pairs that must not.
        adds: Facts that it makes true.
        deletes: Facts that it makes false.
        cost: What it costs with given objects.
    """

    name: str
    types: tuple[str, ...]
    needs: tuple[Atom, ...]
    forbids: tuple[Atom, ...]
    same: tuple[tuple[Term, Term], ...]
    different: tuple[tuple[Term, Term], ...]
    adds: tuple[Atom, ...]
    deletes: tuple[Atom, ...]
    cost: Callable[[tuple[str, ...]], int]


@dataclass(frozen=True, slots=True)
class Lifted:
    """A problem whose actions have parameters.

    Attributes:
        objects: The objects of each type, those of its kinds among them.
        schemas: The actions.
        init: The facts that hold at first.
        needs: The facts that the goal needs.
        forbids: The facts that the goal forbids.
        original: Returns what an action with objects is called by people; None when it is none
            of theirs.
    """

    objects: dict[str, tuple[str, ...]]
    schemas: tuple[Schema, ...]
    init: tuple[Atom, ...]
    needs: tuple[Atom, ...]
    forbids: tuple[Atom, ...]
    original: Callable[[str, tuple[str, ...]], tuple[str, tuple[str, ...]] | None]


def lift(problem: "Problem") -> Lifted:
    """Returns a problem as conditions and effects.

    Raises:
        BadProblem: It has what this planner cannot do: numbers that change, durations, …
        NoPlan: The goal contradicts itself.
    """
    from unified_planning.plans import ActionInstance

    _refuse_what_is_beyond(problem)
    compiled, backs = _compiled(problem)
    by_name = {one.name: one for one in compiled.actions}

    def original(name: str, arguments: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
        instance: Any = ActionInstance(by_name[name], tuple(map(compiled.object, arguments)))
        for back in reversed(backs):
            instance = back(instance)
            if instance is None:
                return None
        return instance.action.name, tuple(str(one) for one in instance.actual_parameters)

    init = [
        _atom(fluent, {})
        for fluent, value in compiled.initial_values.items()
        if fluent.type.is_bool_type() and value.is_true()
    ]
    goal = _Conditions({})
    for one in compiled.goals:
        goal.add(one)
    if goal.never:
        raise NoPlan("no plan reaches the goal: it contradicts itself")
    return Lifted(
        objects={
            kind.name: tuple(one.name for one in compiled.objects(kind))
            for kind in compiled.user_types
        },
        schemas=tuple(
            schema for one in compiled.actions if (schema := _schema(one, compiled)) is not None
        ),
        init=tuple(init),
        needs=tuple(goal.needs),
        forbids=tuple(goal.forbids),
        original=original,
    )


def _refuse_what_is_beyond(problem: "Problem") -> None:
    beyond = sorted(problem.kind.features - _CAN)
    if not beyond:  # else actions may have durations, and no effects of this kind
        beyond = [
            f"numbers that change ({one.name})"
            for one in problem.actions
            if not all(effect.fluent.type.is_bool_type() for effect in one.effects)
        ]
    if beyond:
        raise BadProblem(
            f"it has what cannot be planned with here: {', '.join(beyond)}",
            hint="it can do STRIPS, types, negation, equality, quantifiers, conditional effects "
            "and the cost of actions",
            context={"field": "domain"},
        )


def _compiled(problem: "Problem") -> tuple["Problem", list[Callable[[Any], Any]]]:
    """Returns a problem without quantifiers and the like, and the ways back of its actions."""
    from unified_planning.exceptions import UPException
    from unified_planning.shortcuts import Compiler

    backs = []
    try:
        for feature, kind in _compilations():
            if feature in problem.kind.features:
                with Compiler(problem_kind=problem.kind, compilation_kind=kind) as compiler:
                    result = compiler.compile(problem, kind)
                problem = result.problem
                backs.append(result.map_back_action_instance)
    except (UPException, AssertionError) as error:
        raise BadProblem(
            f"it cannot be planned with: {error}", context={"field": "domain"}
        ) from None
    return problem, backs


def _compilations() -> Iterator[tuple[str, Any]]:
    from unified_planning.shortcuts import CompilationKind

    quantifiers = CompilationKind.QUANTIFIERS_REMOVING
    for feature in ("EXISTENTIAL_CONDITIONS", "UNIVERSAL_CONDITIONS", "FORALL_EFFECTS"):
        yield feature, quantifiers
    yield "CONDITIONAL_EFFECTS", CompilationKind.CONDITIONAL_EFFECTS_REMOVING
    yield "DISJUNCTIVE_CONDITIONS", CompilationKind.DISJUNCTIVE_CONDITIONS_REMOVING


class _Conditions:
    """A conjunction, taken apart."""

    def __init__(self, places: dict[str, int]) -> None:
        self._places = places
        self.needs: list[Atom] = []
        self.forbids: list[Atom] = []
        self.same: list[tuple[Term, Term]] = []
        self.different: list[tuple[Term, Term]] = []
        self.never = False

    def add(self, node: "FNode", *, negated: bool = False) -> None:
        if node.is_and() and not negated:
            for one in node.args:
                self.add(one)
        elif node.is_not():
            self.add(node.args[0], negated=not negated)
        elif node.is_bool_constant():
            self.never |= node.bool_constant_value() == negated
        elif node.is_equals():
            left, right = (_term(one, self._places) for one in node.args)
            (self.different if negated else self.same).append((left, right))
        elif node.is_fluent_exp():
            (self.forbids if negated else self.needs).append(_atom(node, self._places))
        else:
            raise BadProblem(
                f"a condition cannot be planned with: {node}", context={"field": "domain"}
            )


def _schema(action: "Action", problem: "Problem") -> Schema | None:
    """Returns an action as conditions and effects; None when it can never be done."""
    places = {one.name: place for place, one in enumerate(action.parameters)}
    conditions = _Conditions(places)
    for one in action.preconditions:
        conditions.add(one)
    if conditions.never:
        return None
    adds = [_atom(one.fluent, places) for one in action.effects if one.value.is_true()]
    deletes = [_atom(one.fluent, places) for one in action.effects if not one.value.is_true()]
    return Schema(
        name=action.name,
        types=tuple(one.type.name for one in action.parameters),
        needs=tuple(conditions.needs),
        forbids=tuple(conditions.forbids),
        same=tuple(conditions.same),
        different=tuple(conditions.different),
        adds=tuple(adds),
        deletes=tuple(deletes),
        cost=cost_of_action(action, problem),
    )


def _atom(node: "FNode", places: dict[str, int]) -> Atom:
    return node.fluent().name, tuple(_term(one, places) for one in node.args)


def _term(node: "FNode", places: dict[str, int]) -> Term:
    if node.is_parameter_exp():
        return places[node.parameter().name]
    return str(node.object().name)
