"""Which predicates rules speak of, and which one was meant by a slip."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from clingo import ast

Signature = tuple[str, int]
"""A predicate's name, and how many values it has."""


def predicates_in(nodes: Sequence[ast.AST]) -> set[Signature]:
    """Returns the predicates that are in parts of rules."""
    walk = _Atoms()
    for node in nodes:
        walk.visit(node)
    return walk.found


def meant(name: str, arity: int, known: Collection[Signature]) -> str:
    """Returns the predicate that was meant by one that there is not, as an atom; or nothing."""
    near = get_close_matches(name, sorted({one for one, _ in known}), 1)
    if not near:
        return ""
    least = min((size for one, size in known if one == near[0]), key=lambda size: abs(size - arity))
    return f"{near[0]}({','.join('_' * least)})" if least else near[0]


class _Atoms(ast.Transformer):
    """Notes which predicates are in a part of a rule."""

    def __init__(self) -> None:
        self.found: set[Signature] = set()

    def visit_SymbolicAtom(self, node: ast.AST) -> ast.AST:  # noqa: N802 - clingo's own name
        symbol = node.symbol
        for one in symbol.arguments if symbol.ast_type == ast.ASTType.Pool else [symbol]:
            self.found.add((one.name, len(one.arguments)))
        return node
