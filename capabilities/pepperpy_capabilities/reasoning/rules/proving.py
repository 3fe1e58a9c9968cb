"""Proofs: of all instances of rules that apply in a world, those that an atom follows from."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import function, variable
from pepperpy_capabilities.reasoning.rules.plain import CONTRARY
from pepperpy_capabilities.reasoning.rules.program import (
    ANSWER,
    Program,
    new_control,
    shown,
    state,
)
from pepperpy_capabilities.reasoning.rules.reading import Statement
from pepperpy_capabilities.reasoning.rules.tracing import (
    BROKEN,
    CHOICE,
    HOLDS,
    NEED,
    WHY,
    Trace,
    needing,
    trace,
)
from pepperpy_capabilities.reasoning.rules.wording import worded_value
from pepperpy_schemas.rules import Step

MOST_STEPS = 1000
"""Steps of one proof."""


By = Literal["fact", "rule", "choice", "absent", "test"]


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


class Proofs:
    """What is needed to prove atoms of one world.

    Args:
        program: The problem.
        world: All that is true.
        wanted: What shall be proved: the question's answers, or a constraint that is broken.
        further: Rules of which the instances are wanted, too, each with what follows from it.
    """

    def __init__(
        self,
        program: Program,
        world: Iterable[clingo.Symbol],
        wanted: Sequence[clingo.Symbol],
        further: Sequence[tuple[Statement, ast.AST, ast.AST]] = (),
    ) -> None:
        self._program = program
        self._statements = {one.number: one for one, _ in program.rules}
        self._traces: dict[int, Trace] = {
            one.number: trace(one, node) for one, node in _proper(program)
        }
        for one, node, head in further:
            self._statements[one.number] = one
            self._traces[one.number] = trace(one, node, head)
        query, node = program.query
        self._statements[0] = query
        self._traces[0] = trace(query, node, answer_term(program))
        self._chosen = _founded(program.facts, self._instances(world, wanted))

    def of(self, atom: clingo.Symbol) -> tuple[list[Step], list[int], bool]:
        """Returns the steps of an atom's proof, the rules it uses, and whether it was cut."""
        steps: list[Step] = []
        numbers: dict[clingo.Symbol, int] = {}
        waiting: deque[clingo.Symbol] = deque()
        used: dict[int, None] = {}

        def refer(one: clingo.Symbol) -> int:
            if one not in numbers:
                numbers[one] = len(steps)
                steps.append(Step(shown(one), "fact", self._program.facts.get(one, 0)))
                waiting.append(one)
            return numbers[one]

        refer(self._plainest(atom))
        while waiting:
            one = waiting.popleft()
            instance = self._chosen.get(one)
            if instance is None:
                continue
            if len(steps) > MOST_STEPS:
                return steps, list(used), True
            at = numbers[one]
            uses = [refer(below) for below in dict.fromkeys(instance.body)]
            for condition, by in self._conditions(instance):
                uses.append(len(steps))
                steps.append(Step(condition, by))
            steps[at] = Step(self._said(instance), _by(instance, uses), instance.number, uses)
        for step in steps:
            if step.rule:
                used.setdefault(step.rule)
        return steps, sorted(used), False

    def _plainest(self, atom: clingo.Symbol) -> clingo.Symbol:
        """A question that is one atom needs no step of its own."""
        instance = self._chosen[atom]
        alone = not instance.number and len(instance.body) == 1
        return instance.body[0] if alone and not self._traces[0].conditions else atom

    def _said(self, instance: Instance) -> str:
        if instance.number and instance.head.name != BROKEN:
            return shown(instance.head)
        one = self._statements[instance.number]
        return ", ".join(self._filled(literal, instance) for literal in one.node.body)

    def _conditions(self, instance: Instance) -> Iterable[tuple[str, By]]:
        for literal in self._traces[instance.number].conditions:
            absent = (
                literal.ast_type == ast.ASTType.Literal
                and literal.sign == ast.Sign.Negation
                and literal.atom.ast_type == ast.ASTType.SymbolicAtom
            )
            yield self._filled(literal, instance), "absent" if absent else "test"

    def _filled(self, literal: ast.AST, instance: Instance) -> str:
        names = self._traces[instance.number].names
        values = dict(zip(names, instance.values, strict=True))
        return str(_Filling(values).visit(literal)).replace(CONTRARY, "-")

    def _instances(
        self, world: Iterable[clingo.Symbol], wanted: Sequence[clingo.Symbol]
    ) -> list[Instance]:
        control, said = new_control(0)
        known = [clingo.Function(HOLDS, [one]) for one in world]
        state(control, [*known, *(clingo.Function(NEED, [one]) for one in wanted)])
        sizes: set[int] = set()
        with ast.ProgramBuilder(control) as builder:
            for constant in self._program.constants:
                builder.add(constant)
            for one in self._traces.values():
                sizes |= one.sizes
                for telling in one.rules:
                    builder.add(telling)
            for telling in needing(sizes):
                builder.add(telling)
        self._program.ground(control, said)
        return sorted(
            Instance(
                told[0].number,
                told[1].number,
                told[2],
                tuple(told[3].arguments),
                tuple(told[4].arguments),
            )
            for told in (
                atom.symbol.arguments for atom in control.symbolic_atoms.by_signature(WHY, 5)
            )
        )


def _by(instance: Instance, uses: Sequence[int]) -> By:
    if instance.kind == CHOICE:
        return "choice"
    return "rule" if uses or not instance.number else "fact"


def answer_term(program: Program) -> ast.AST:
    """Returns what an answer is: the values of the question's variables."""
    return function(ANSWER, [variable(name) for name in program.variables])


def _proper(program: Program) -> Iterable[tuple[Statement, ast.AST]]:
    """The rules that something follows from."""
    return ((one, node) for one, node in program.rules if str(node.head) != "#false")


def _founded(
    facts: Iterable[clingo.Symbol], instances: Sequence[Instance]
) -> dict[clingo.Symbol, Instance]:
    """Returns for each atom the instance by which it follows first: none is its own reason."""
    missing = [set(one.body) for one in instances]
    users: dict[clingo.Symbol, list[int]] = {}
    for n, body in enumerate(missing):
        for atom in body:
            users.setdefault(atom, []).append(n)
    chosen: dict[clingo.Symbol, Instance] = {}
    known = set(facts)
    ready: deque[clingo.Symbol] = deque()

    def follow(n: int) -> None:
        head = instances[n].head
        if head not in known:
            known.add(head)
            chosen[head] = instances[n]
            ready.append(head)

    ready.extend(known & users.keys())
    for n, body in enumerate(missing):
        if not body:
            follow(n)
    while ready:
        atom = ready.popleft()
        for n in users.get(atom, ()):
            missing[n].discard(atom)
            if not missing[n]:
                follow(n)
    return chosen


class _Filling(ast.Transformer):
    """Puts values where variables are, as people read them."""

    def __init__(self, values: dict[str, clingo.Symbol]) -> None:
        self._values = values

    def visit_Variable(self, node: ast.AST) -> ast.AST:  # noqa: N802 - clingo's own name
        symbol = self._values.get(node.name)
        if symbol is None:
            return node
        if symbol.type is clingo.SymbolType.String and shown(symbol) != worded_value(symbol.string):
            symbol = clingo.Function(symbol.string)
        return ast.SymbolicTerm(node.location, symbol)
