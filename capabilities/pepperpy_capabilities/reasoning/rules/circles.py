"""Rules by which something depends on its own absence."""

from collections.abc import Sequence

from clingo import ast

from pepperpy_capabilities.reasoning.rules.predicates import Signature, predicates_in
from pepperpy_capabilities.reasoning.rules.reading import Statement


def negative_circles(rules: Sequence[tuple[Statement, ast.AST]]) -> list[Statement]:
    """Returns the rules on a circle of dependencies that goes through a negation."""
    edges: list[tuple[Statement, Signature, Signature, bool]] = []
    for one, node in rules:
        for literal in node.body:
            negated = getattr(literal, "sign", 0) != 0 or literal.ast_type != ast.ASTType.Literal
            atoms = predicates_in([literal])
            edges += [
                (one, top, atom, negated) for top in predicates_in([node.head]) for atom in atoms
            ]
    reached = _reached(edges)
    found: dict[int, Statement] = {}
    for _, head, below, negated in edges:
        if not negated or head not in reached.get(below, set()) | {below}:
            continue
        circle = {other for other, ahead in reached.items() if head in ahead} & reached[head]
        for one, above, under, _ in edges:
            if above in circle and under in circle:
                found.setdefault(one.number, one)
    return sorted(found.values())


def _reached(
    edges: Sequence[tuple[Statement, Signature, Signature, bool]],
) -> dict[Signature, set[Signature]]:
    direct: dict[Signature, set[Signature]] = {}
    for _, head, below, _ in edges:
        direct.setdefault(head, set()).add(below)
    reached: dict[Signature, set[Signature]] = {}
    for start in direct:
        seen: set[Signature] = set()
        waiting = [start]
        while waiting:
            for one in direct.get(waiting.pop(), ()):
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
        reached[start] = seen
    return reached
