"""Rules that say why: each rule again, so that clingo tells which of its instances apply.

In a world that is known, whatever is true is `__h(p)`. A rule `head :- body` becomes two:

    __derived(head) :- __h(head), body with __derived where it says what is true, else with __h.

    __why(number, kind, head, (what the body says is true), (its variables)) :-
        __need(head, round), body with __h.

The first is grounded at once, and derives all that is true: what follows is derived after what it
follows from. The second is grounded round by round for those atoms alone of which a proof is
wanted, so that only those instances are looked at which a proof can use.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from clingo import ast

from pepperpy_capabilities.reasoning.rules.building import (
    equal,
    function,
    number,
    parameter,
    positive,
    rule,
)
from pepperpy_capabilities.reasoning.rules.building import variable as named
from pepperpy_capabilities.reasoning.rules.program import variables_in
from pepperpy_capabilities.reasoning.rules.reading import Statement

WHY: Final = "__why"
NEED: Final = "__need"
HOLDS: Final = "__h"
FOLLOWS: Final = "__follows"
"""What is true and was not given."""
DERIVED: Final = "__derived"
BROKEN: Final = "__broken"
"""What follows from a rule that says what must not be, with its number."""
ROUND: Final = "__round"
"""The part of the program that is grounded once a round, and its parameter."""
RULE, CHOICE = 0, 1


class Trace(NamedTuple):
    """How the instances of a rule are told.

    Attributes:
        derivation: The rules that derive what follows.
        rules: The rules that tell the instances.
        names: Its variables, in the order in which their values are told.
        conditions: What of its body is no plain atom, as it was written.
    """

    derivation: list[ast.AST]
    rules: list[ast.AST]
    names: list[str]
    conditions: list[ast.AST]


def trace(one: Statement, node: ast.AST, head: ast.AST | None = None) -> Trace:
    """Returns what tells the instances of a rule.

    Args:
        one: The rule as it was written.
        node: It, made plain.
        head: What follows from it, when that is not its own head.

    Raises:
        BadRule: What is in front of its ``:-`` cannot be true.
    """
    derivation: list[ast.AST] = []
    rules: list[ast.AST] = []
    names: list[str] = []
    alternatives = [(RULE, head, [])] if head is not None else list(_heads(one, node.head))
    for _, atom, conditions in alternatives:
        names += [
            name for name in variables_in([atom, *conditions, *node.body]) if name not in names
        ]
    for kind, atom, conditions in alternatives:
        own = set(variables_in([atom, *conditions, *node.body]))
        body = _Body()
        wanted = body.fresh(atom)
        for literal in (*conditions, *node.body):
            body.add(literal)
        values = [named(name) if name in own else number(0) for name in names]
        told = function(
            WHY,
            [
                number(one.number),
                number(kind),
                wanted,
                function("", body.atoms),
                function("", values),
            ],
        )
        needed = positive(function(NEED, [wanted, parameter(ROUND)]))
        rules.append(rule(positive(told), [needed, *body.known()]))
        true = positive(function(HOLDS, [wanted]))
        derived = positive(function(DERIVED, [wanted]))
        derivation.append(rule(derived, [true, *body.known(DERIVED)]))
    shown = [literal for literal in one.node.body if not _is_atom(literal)]
    return Trace(derivation, rules, names, shown)


def _heads(one: Statement, head: ast.AST) -> Iterator[tuple[int, ast.AST, list[ast.AST]]]:
    if head.ast_type == ast.ASTType.Literal:
        yield RULE, head.atom.symbol, []
        return
    for element in head.elements:
        literal = element.literal
        if literal.sign or literal.atom.ast_type != ast.ASTType.SymbolicAtom:
            raise one.refuse("allows what is no plain atom")
        yield CHOICE, literal.atom.symbol, list(element.condition)


def _is_atom(literal: ast.AST) -> bool:
    return (
        literal.ast_type == ast.ASTType.Literal
        and literal.sign == ast.Sign.NoSign
        and literal.atom.ast_type == ast.ASTType.SymbolicAtom
    )


class _Body:
    """The body of a rule that tells: its atoms as terms, and all of it over what is known."""

    def __init__(self) -> None:
        self.atoms: list[ast.AST] = []
        self._others: list[ast.AST] = []
        self._names = _Named()

    def fresh(self, term: ast.AST) -> ast.AST:
        """Returns a term whose ranges and pools are variables, which are literals of the body."""
        self._names.found = []
        made: ast.AST = self._names.visit(term)
        self._others += self._names.found
        return made

    def add(self, literal: ast.AST) -> None:
        if _is_atom(literal):
            self.atoms.append(self.fresh(literal.atom.symbol))
        else:
            self._others.append(_Known().visit(literal))

    def known(self, name: str = HOLDS) -> list[ast.AST]:
        """Returns the body, with its atoms as what is known by a name."""
        return [*(positive(function(name, [atom])) for atom in self.atoms), *self._others]


class _Named(ast.Transformer):
    """Gives what is not one value a name: ``p(1..3)`` becomes ``p(__V1)`` with ``__V1 = 1..3``."""

    def __init__(self) -> None:
        self.found: list[ast.AST] = []
        self._count = 0

    def visit_Variable(self, node: ast.AST) -> ast.AST:  # noqa: N802 - clingo's own name
        return named(self._name()) if node.name == "_" else node

    def visit_Interval(self, node: ast.AST) -> ast.AST:  # noqa: N802
        name = self._name()
        self.found.append(equal(name, node))
        return named(name)

    visit_Pool = visit_Interval  # noqa: N815

    def _name(self) -> str:
        self._count += 1
        return f"__V{self._count}"


class _Known(ast.Transformer):
    """Asks what is known, wherever an atom is."""

    def visit_SymbolicAtom(self, node: ast.AST) -> Any:  # noqa: N802 - clingo's own name
        return node.update(symbol=function(HOLDS, [node.symbol]))
