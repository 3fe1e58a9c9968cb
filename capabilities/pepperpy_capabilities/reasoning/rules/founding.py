"""What each atom of a proof follows from, looked up round by round, from the top downward."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from typing import NamedTuple

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import part
from pepperpy_capabilities.reasoning.rules.functions import Calls
from pepperpy_capabilities.reasoning.rules.program import Program, new_control, state
from pepperpy_capabilities.reasoning.rules.tracing import (
    DERIVED,
    FOLLOWS,
    HOLDS,
    NEED,
    ROUND,
    WHY,
    Trace,
)


class Instance(NamedTuple):
    """One instance of a rule that applies.

    Attributes:
        number: The rule's number; 0 for the question.
        kind: Whether it is a choice.
        head: What follows.
        body: What it follows from.
        values: What its variables stand for.
    """

    number: int
    kind: int
    head: clingo.Symbol
    body: tuple[clingo.Symbol, ...]
    values: tuple[clingo.Symbol, ...]


def founded(
    program: Program,
    traces: Iterable[Trace],
    world: Iterable[clingo.Symbol],
    wanted: Sequence[clingo.Symbol],
    most: int,
) -> dict[clingo.Symbol, Instance]:
    """Returns for what is wanted, and all below it, an instance that it follows from.

    None is its own reason: of all instances one is taken whose atoms were derived before.

    Args:
        program: The problem.
        traces: Its rules, as they tell.
        world: All that is true.
        wanted: What shall be proved.
        most: Most steps of one proof: there is no instance for what is further down.
    """
    control = _grounded(program, traces, world)
    derived = control.symbolic_atoms.by_signature(DERIVED, 1)
    order = {atom.symbol.arguments[0]: n for n, atom in enumerate(derived)}
    chosen: dict[clingo.Symbol, Instance] = {}
    needed = [one for one in wanted if one not in program.facts]
    told = 0
    for n in range(most):
        if not needed or len(chosen) > most * len(wanted):
            break
        state(control, [clingo.Function(NEED, [one, clingo.Number(n)]) for one in needed])
        control.ground([(ROUND, [clingo.Number(n)])], context=Calls())
        instances = list(_instances(control, told))
        told += len(instances)
        best: dict[clingo.Symbol, tuple[float, Instance]] = {}
        for one in instances:
            depth = max((order.get(below, inf) for below in one.body), default=-1)
            if depth < order.get(one.head, inf) and (depth, one) < best.get(one.head, (inf, one)):
                best[one.head] = depth, one
        chosen |= {head: one for head, (_, one) in best.items()}
        below = dict.fromkeys(atom for _, one in best.values() for atom in one.body)
        needed = [one for one in below if one not in chosen and one not in program.facts]
    return chosen


def _grounded(
    program: Program, traces: Iterable[Trace], world: Iterable[clingo.Symbol]
) -> clingo.Control:
    control, said = new_control(0)
    follows = [one for one in world if one not in program.facts]
    # What is given comes first, as it was given: of several proofs the order says which is taken.
    state(control, [clingo.Function(HOLDS, [one]) for one in (*program.facts, *follows)])
    state(control, [clingo.Function(FOLLOWS, [one]) for one in follows])
    control.add(f"{DERIVED}(X) :- {HOLDS}(X), not {FOLLOWS}(X).")  # what is given
    every = list(traces)
    with ast.ProgramBuilder(control) as builder:
        for constant in program.constants:
            builder.add(constant)
        for one in every:
            for deriving in one.derivation:
                builder.add(deriving)
        builder.add(part(ROUND))
        for one in every:
            for telling in one.rules:
                builder.add(telling)
    program.ground(control, said)
    return control


def _instances(control: clingo.Control, told: int) -> Iterator[Instance]:
    """Yields the instances beyond those that were told in earlier rounds."""
    for atom in islice(control.symbolic_atoms.by_signature(WHY, 5), told, None):
        number, kind, head, body, values = atom.symbol.arguments
        yield Instance(
            number.number, kind.number, head, tuple(body.arguments), tuple(values.arguments)
        )
