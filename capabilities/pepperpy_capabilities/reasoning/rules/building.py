"""Terms and literals of clingo's language, built."""

from collections.abc import Sequence
from typing import Any

import clingo
from clingo import ast

_AT = ast.Location(ast.Position("<string>", 1, 1), ast.Position("<string>", 1, 1))


def number(value: int) -> ast.AST:
    """Returns a number."""
    return ast.SymbolicTerm(_AT, clingo.Number(value))


def parameter(name: str) -> ast.AST:
    """Returns a parameter of a part of a program."""
    return ast.SymbolicTerm(_AT, clingo.Function(name))


def part(name: str) -> ast.AST:
    """Returns the beginning of a part with its name as its parameter."""
    return ast.Program(_AT, name, [ast.Id(_AT, name)])


def variable(name: str) -> ast.AST:
    """Returns a variable."""
    return ast.Variable(_AT, name)


def function(name: str, arguments: Sequence[Any]) -> ast.AST:
    """Returns a term; a tuple when it has no name."""
    return ast.Function(_AT, name, list(arguments), 0)


def positive(term: ast.AST, at: Any = _AT) -> ast.AST:
    """Returns the literal that an atom is true."""
    return ast.Literal(at, ast.Sign.NoSign, ast.SymbolicAtom(term))


def equal(name: str, term: ast.AST) -> ast.AST:
    """Returns the literal that a variable is a term, or one of several."""
    guard = ast.Guard(ast.ComparisonOperator.Equal, term)
    return ast.Literal(_AT, ast.Sign.NoSign, ast.Comparison(variable(name), [guard]))


def never() -> ast.AST:
    """Returns the head of what must not hold."""
    return ast.Literal(_AT, ast.Sign.NoSign, ast.BooleanConstant(0))


def rule(head: ast.AST, body: Sequence[ast.AST], at: Any = _AT) -> ast.AST:
    """Returns a rule."""
    return ast.Rule(at, head, list(body))


def choice(atom: ast.AST) -> ast.AST:
    """Returns the rule that an atom may be true or not."""
    element = ast.ConditionalLiteral(_AT, positive(atom), [])
    return rule(ast.Aggregate(_AT, None, [element], None), [])
