"""Statements made plain: one kind of text, allowed names, contraries as names of their own."""

import inspect
import re
from typing import Any, Final

import clingo
from clingo import ast

from pepperpy_capabilities.reasoning.rules.functions import FUNCTIONS
from pepperpy_capabilities.reasoning.rules.reading import Statement

OURS: Final = "__"
"""What our own names begin with, and nobody else's."""
CONTRARY: Final = "__not_"
"""What the name of a contrary begins with: ``-p`` is ``__not_p``."""

_VALUE = r"""(-?\d{1,9})|([a-z]\w*)|("[^"\\]*")"""
_ARGUMENT = re.compile(_VALUE)
_ONE = r"""(?:-?\d{1,9}|[a-z]\w*|"[^"\\]*")"""
_FACT = re.compile(rf"([a-z]\w*)\( ?({_ONE}(?: ?, ?{_ONE})*) ?\)\.", re.ASCII)

_REFUSED = {
    ast.ASTType.TheoryAtom: "has a theory atom (&), which is not allowed",
    ast.ASTType.HeadAggregate: "has an aggregate in front of :-, which is not allowed",
}


class Plain(ast.Transformer):
    """Makes the statements of a program plain.

    Words and quoted texts become one kind of value. What remains of clingo's language is what needs
    no trust: the allowed functions compute, and nothing else is called.

    Args:
        constants: Names that ``#const`` defines, which are no words.
    """

    def __init__(self, constants: set[str]) -> None:
        self._constants = constants
        self._one: Statement | None = None
        self.contraries: set[tuple[str, int]] = set()

    def made(self, one: Statement) -> ast.AST:
        """Returns the node of a statement, made plain.

        Raises:
            BadRule: It has what is not allowed.
        """
        self._one = one
        head = one.node.head
        if head.ast_type == ast.ASTType.Literal and (
            head.sign or head.atom.ast_type == ast.ASTType.Comparison
        ):
            raise one.refuse("says nothing that could be true", "begin it with what follows")
        node: ast.AST = self.visit(one.node)
        return node

    def constant(self, one: Statement) -> ast.AST:
        """Returns the node of what ``#const`` defines, made plain.

        Raises:
            BadRule: It has what is not allowed.
        """
        self._one = one
        return one.node.update(value=self.visit(one.node.value))

    def visit_SymbolicAtom(self, node: ast.AST) -> ast.AST:  # noqa: N802 - clingo's own name
        """An atom: its name is none of ours, and its contrary gets one of its own."""
        return node.update(symbol=self._atom(node.symbol))

    def visit_SymbolicTerm(self, node: ast.AST) -> ast.AST:  # noqa: N802
        """A word is a text."""
        symbol = node.symbol
        if symbol.type is not clingo.SymbolType.Function or symbol.name in self._constants:
            return node
        self._check_name(symbol.name)
        return node.update(symbol=clingo.String(symbol.name))

    def visit_Function(self, node: ast.AST) -> ast.AST:  # noqa: N802
        """A function is one that is allowed, or a term."""
        if node.external:
            self._check_call(node.name, len(node.arguments))
        else:
            self._check_name(node.name)
        return node.update(**self.visit_children(node))

    def visit_TheoryAtom(self, node: ast.AST) -> ast.AST:  # noqa: N802
        """Is refused."""
        raise self._refuse(_REFUSED[node.ast_type])

    visit_HeadAggregate = visit_TheoryAtom  # noqa: N815

    def _atom(self, term: ast.AST) -> ast.AST:
        if term.ast_type == ast.ASTType.Pool:
            return term.update(arguments=[self._atom(one) for one in term.arguments])
        if term.ast_type == ast.ASTType.UnaryOperation:
            name = CONTRARY + term.argument.name
            self.contraries.add((term.argument.name, len(term.argument.arguments)))
            self._check_name(term.argument.name)
            return self._with_children(term.argument.update(name=name))
        self._check_name(term.name)
        return self._with_children(term)

    def _with_children(self, function: ast.AST) -> ast.AST:
        return function.update(arguments=[self.visit(one) for one in function.arguments])

    def _check_call(self, name: str, count: int) -> None:
        if name not in FUNCTIONS:
            known = ", ".join(f"@{one}" for one in FUNCTIONS)
            raise self._refuse(f"calls @{name}, which is not there", f"there are {known}")
        try:
            inspect.signature(FUNCTIONS[name]).bind(*range(count))
        except TypeError:
            raise self._refuse(f"gives @{name} {count} values") from None

    def _check_name(self, name: str) -> None:
        if name.startswith(OURS):
            raise self._refuse(f"uses the name {name}", "names do not begin with two underscores")

    def _refuse(self, fact: str, hint: str = "") -> Exception:
        assert self._one is not None
        return self._one.refuse(fact, hint)


def plain_fact(text: str, constants: set[str]) -> clingo.Symbol | None:
    """Returns the fact that a statement is, when its text is so plain that it needs no more.

    Clingo's syntax trees are slow in Python, and most of a large problem are facts.
    """
    match = _FACT.fullmatch(text)
    if match is None:
        return None
    values: list[clingo.Symbol] = []
    for number, word, quoted in _ARGUMENT.findall(match[2]):
        if word in constants:
            return None
        values.append(clingo.Number(int(number)) if number else clingo.String(word or quoted[1:-1]))
    return clingo.Function(match[1], values)


def symbol_of(term: ast.AST) -> clingo.Symbol | None:
    """Returns the value that a plain term is; None when it has yet to be computed."""
    match term.ast_type:
        case ast.ASTType.SymbolicTerm:
            symbol: clingo.Symbol = term.symbol
            return None if symbol.type is clingo.SymbolType.Function else symbol
        case ast.ASTType.Function if not term.external:
            arguments = [symbol_of(one) for one in term.arguments]
            known: list[Any] = [one for one in arguments if one is not None]
            return clingo.Function(term.name, known) if len(known) == len(arguments) else None
        case _:
            return None
