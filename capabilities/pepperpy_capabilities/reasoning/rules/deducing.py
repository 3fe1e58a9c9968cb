"""From a problem to its answers: worlds are looked at until the question is answered."""

from collections.abc import Sequence
from typing import NamedTuple

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import positive, rule
from pepperpy_capabilities.reasoning.rules.contradicting import contradiction
from pepperpy_capabilities.reasoning.rules.program import (
    ANSWER,
    Program,
    new_control,
    state,
    value_of,
)
from pepperpy_capabilities.reasoning.rules.proving import Proofs, answer_term
from pepperpy_capabilities.reasoning.rules.showing import explain
from pepperpy_capabilities.reasoning.rules.wording import variables_of
from pepperpy_schemas.rules import Conditions, Deduced, Found, RulesProblem, UsedRule

# In the order in which clingo tells it: that of a set is another one in each process.
World = tuple[clingo.Symbol, ...]


class Seen(NamedTuple):
    """What was seen in the worlds.

    Attributes:
        answers: Each answer with a world that has it; None where no proof is wanted of it.
        more: Whether there are more answers.
        worlds: How many worlds were looked at.
        notes: What is odd.
    """

    answers: list[tuple[clingo.Symbol, World | None]]
    more: bool
    worlds: int
    notes: list[str]


def deduce(problem: RulesProblem) -> Deduced:
    """Returns the answers to a problem.

    Raises:
        BadRule: A rule or the question cannot be read, or is none that is allowed.
        UnsafeRule: A variable of a rule is bound by nothing.
        Contradiction: No world has all rules hold.
        TooBig: A rule is nested too deeply.
    """
    names = variables_of(problem.query) if isinstance(problem.query, Conditions) else {}
    program = Program(problem, names)
    seen = _look(program, problem)
    return _told(program, problem, seen)


def _look(program: Program, problem: RulesProblem) -> Seen:
    control, said = new_control(problem.seed, worlds=0)
    state(control, program.facts)
    with ast.ProgramBuilder(control) as builder:
        for constant in program.constants:
            builder.add(constant)
        for _, node in program.rules:
            builder.add(node)
        for _, node in program.exclusions:
            builder.add(node)
        query = program.query[1]
        builder.add(
            rule(positive(answer_term(program), query.location), query.body, query.location)
        )
    program.ground(control, said)
    asked = list(control.symbolic_atoms.by_signature(ANSWER, len(program.variables)))
    looking = {"every": _in_every, "some": _in_some, "first": _in_first}[problem.worlds]
    with control.solve(yield_=True) as worlds:
        found, looked = looking(worlds, asked, problem)
    if not looked:
        raise contradiction(program, problem)
    answers = sorted(found.items(), key=lambda one: one[0])
    return Seen(
        [(one, world if n < problem.proofs else None) for n, (one, world) in enumerate(answers)][
            : problem.most
        ],
        len(answers) > problem.most,
        looked,
        program.notes(said),
    )


Worlds = clingo.SolveHandle
Atoms = Sequence[clingo.SymbolicAtom]
Answers = tuple[dict[clingo.Symbol, World], int]


def _in_first(worlds: Worlds, asked: Atoms, _: RulesProblem) -> Answers:
    for model in worlds:
        world = _world(model)
        return dict.fromkeys(_true(model, asked), world), 1
    return {}, 0


def _in_every(worlds: Worlds, asked: Atoms, _: RulesProblem) -> Answers:
    """What is left when each next world lacks one of what is left."""
    first: World = ()
    left: dict[clingo.Symbol, int] = {}
    looked = 0
    for model in worlds:
        true = _true(model, asked)
        if not looked:
            first, left = _world(model), true
        else:
            left = {one: literal for one, literal in left.items() if one in true}
        looked += 1
        if not left:
            break
        model.context.add_clause([-literal for literal in left.values()])
    return dict.fromkeys(left, first), looked


def _in_some(worlds: Worlds, asked: Atoms, problem: RulesProblem) -> Answers:
    """What is found when each next world has something new."""
    found: dict[clingo.Symbol, World] = {}
    looked = 0
    for model in worlds:
        looked += 1
        new = [one for one in _true(model, asked) if one not in found]
        world = _world(model) if len(found) < problem.proofs else ()
        found.update(dict.fromkeys(new, world))
        if len(found) > problem.most:
            break
        model.context.add_clause([one.literal for one in asked if one.symbol not in found])
    return found, looked


def _true(model: clingo.Model, asked: Atoms) -> dict[clingo.Symbol, int]:
    return {one.symbol: one.literal for one in asked if model.is_true(one.literal)}


def _world(model: clingo.Model) -> World:
    return tuple(model.symbols(atoms=True))


def _told(program: Program, problem: RulesProblem, seen: Seen) -> Deduced:
    proofs: dict[World, Proofs] = {}
    answers: list[Found] = []
    used: set[int] = set()
    for symbol, world in seen.answers:
        values = dict(zip(program.variables.values(), map(value_of, symbol.arguments), strict=True))
        if world is None or not world:
            answers.append(Found(values))
            continue
        if world not in proofs:
            wanted = [one for one, other in seen.answers if other is world]
            proofs[world] = Proofs(program, world, wanted)
        steps, numbers, cut = proofs[world].of(symbol)
        used |= set(numbers)
        answers.append(Found(values, steps, cut))
    answer = Deduced(
        answers=answers,
        more=seen.more,
        worlds=seen.worlds,
        rules=[
            UsedRule(one.number, one.text, one.place.field, one.place.line)
            for one in program.statements.rules
            if one.number in used
        ],
        notes=seen.notes,
    )
    return explain(answer, problem)
