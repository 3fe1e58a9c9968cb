"""Proofs: of all instances of rules that apply in a world, those that an atom follows from."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import function, variable
from pepperpy_capabilities.reasoning.rules.founding import Instance, founded
from pepperpy_capabilities.reasoning.rules.plain import CONTRARY
from pepperpy_capabilities.reasoning.rules.program import (
    ANSWER,
    Program,
    shown,
)
from pepperpy_capabilities.reasoning.rules.reading import Statement
from pepperpy_capabilities.reasoning.rules.tracing import (
    BROKEN,
    CHOICE,
    Trace,
    trace,
)
from pepperpy_capabilities.reasoning.rules.wording import worded_value
from pepperpy_schemas.rules import Step

MOST_STEPS = 1000
"""Steps of one proof."""


By = Literal["fact", "rule", "choice", "absent", "test"]


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
        self._chosen = founded(program, self._traces.values(), world, wanted, MOST_STEPS)

    def of(self, atom: clingo.Symbol) -> tuple[list[Step], list[int], bool]:
        """Returns the steps of an atom's proof, the rules it uses, and whether it was cut."""
        steps: list[Step] = []
        numbers: dict[clingo.Symbol, int] = {}
        waiting: deque[clingo.Symbol] = deque()
        cut = False

        def refer(one: clingo.Symbol) -> int:
            if one not in numbers:
                numbers[one] = len(steps)
                given = one in self._program.facts
                by: By = "fact" if given else "rule"
                steps.append(Step(shown(one), by, self._program.facts.get(one, 0)))
                waiting.extend([] if given else [one])
            return numbers[one]

        refer(self._plainest(atom))
        while waiting:
            one = waiting.popleft()
            instance = self._chosen.get(one)
            if instance is None or len(steps) > MOST_STEPS:
                cut = True
                continue
            at = numbers[one]
            uses = [refer(below) for below in dict.fromkeys(instance.body)]
            for condition, by in self._conditions(instance):
                uses.append(len(steps))
                steps.append(Step(condition, by))
            steps[at] = Step(self._said(instance), _by(instance, uses), instance.number, uses)
        return steps, sorted({step.rule for step in steps} - {0}), cut

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
