"""Why no world has all rules hold: which rules exclude each other, and by which values."""

from collections.abc import Sequence

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import (
    choice,
    function,
    never,
    number,
    positive,
    rule,
)
from pepperpy_capabilities.reasoning.rules.circles import negative_circles
from pepperpy_capabilities.reasoning.rules.program import Program, new_control, state
from pepperpy_capabilities.reasoning.rules.proving import Proofs
from pepperpy_capabilities.reasoning.rules.reading import Statement
from pepperpy_capabilities.reasoning.rules.showing import drawn
from pepperpy_capabilities.reasoning.rules.tracing import BROKEN
from pepperpy_schemas.errors import Contradiction
from pepperpy_schemas.rules import RulesProblem

ON = "__on"

Constraint = tuple[Statement, ast.AST]


def contradiction(program: Program, problem: RulesProblem) -> Contradiction:
    """Returns the error that says which rules exclude each other.

    Each rule that says what must not be can be switched off, so that it is seen without which of
    them there is a world. The last of those that exclude each other is broken in that world, and
    the proof says by what.
    """
    constraints = [one for one in program.rules if _forbids(one[1])]
    constraints += [(one, _bound(node)) for one, node in program.rules if _is_bounded(node)]
    constraints += program.exclusions
    control = _switched(program, constraints, problem.seed)
    core = _core(control, [one.number for one, _ in constraints])
    if core is None:
        return _circle(program)
    statements = {one.number: one for one, _ in constraints}
    conflicting = [statements[n] for n in core]
    broken = next(one for one in constraints if one[0].number == core[-1])
    others = [n for n in statements if n != core[-1]]
    proof = _proof(program, control, others, broken)
    said = " and ".join(f"{one}: {one.text}" for one in conflicting)
    fact = "is broken" if len(core) == 1 else "cannot hold together"
    return Contradiction(
        f"{said} {fact}" + (f", because\n{proof}" if proof else ""),
        hint="take one of them back, or what follows into it",
        context={"rules": [one.context() for one in conflicting]},
    )


def _switched(program: Program, constraints: Sequence[Constraint], seed: int) -> clingo.Control:
    control, said = new_control(seed)
    state(control, program.facts)
    with ast.ProgramBuilder(control) as builder:
        for constant in program.constants:
            builder.add(constant)
        for _, node in program.rules:
            if not _forbids(node):
                builder.add(_unbounded(node) if _is_bounded(node) else node)
        for one, node in constraints:
            switch = function(ON, [number(one.number)])
            builder.add(choice(switch))
            builder.add(node.update(body=[*node.body, positive(switch)]))
    program.ground(control, said)
    return control


def _forbids(node: ast.AST) -> bool:
    return str(node.head) == "#false"


def _is_bounded(node: ast.AST) -> bool:
    head = node.head
    return head.ast_type == ast.ASTType.Aggregate and bool(head.left_guard or head.right_guard)


def _unbounded(node: ast.AST) -> ast.AST:
    """A choice of any number of things."""
    return node.update(head=node.head.update(left_guard=None, right_guard=None))


def _bound(node: ast.AST) -> ast.AST:
    """That so many of them must not be otherwise."""
    otherwise = ast.Literal(node.location, ast.Sign.Negation, node.head)
    return rule(never(), [*node.body, otherwise], node.location)


def _core(control: clingo.Control, numbers: Sequence[int]) -> list[int] | None:
    """Returns constraints of which none can be left out; None when it is not their fault."""
    if not control.solve(assumptions=_on([])).satisfiable:
        return None
    core = list(numbers)
    found: list[int] = []
    with control.solve(assumptions=_on(core), yield_=True) as handle:
        literals = set(handle.core())
    by_literal = {_literal(control, n): n for n in core}
    core = [n for literal, n in by_literal.items() if literal in literals] or core
    while core:
        candidate = core.pop(0)
        if control.solve(assumptions=_on([*found, *core])).satisfiable:
            found.append(candidate)
    return sorted(found)


def _on(numbers: Sequence[int]) -> list[tuple[clingo.Symbol, bool]]:
    return [(clingo.Function(ON, [clingo.Number(n)]), True) for n in numbers]


def _literal(control: clingo.Control, n: int) -> int:
    atom = control.symbolic_atoms[clingo.Function(ON, [clingo.Number(n)])]
    assert atom is not None
    return atom.literal


def _proof(
    program: Program, control: clingo.Control, others: Sequence[int], broken: Constraint
) -> str:
    """Returns by what a constraint is broken in a world where all others hold."""
    one, node = broken
    with control.solve(assumptions=_on(others), yield_=True) as worlds:
        world = next((tuple(model.symbols(atoms=True)) for model in worlds), None)
    if world is None:
        return ""
    atom = clingo.Function(BROKEN, [clingo.Number(one.number)])
    head = function(BROKEN, [number(one.number)])
    proofs = Proofs(program, world, [atom], [(one, node, head)])
    steps, _, _ = proofs.of(atom)
    return drawn(steps)


def _circle(program: Program) -> Contradiction:
    rules = negative_circles(program.rules)
    said = "; ".join(f"{one}: {one.text}" for one in rules)
    return Contradiction(
        f"what is true depends on its not being true: {said}",
        hint="let nothing depend on its own absence",
        context={"rules": [one.context() for one in rules]},
    )
