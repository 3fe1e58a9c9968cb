"""Rules read and checked: what each statement is, and what no statement may be."""

import re
from typing import NamedTuple

from clingo import ast

from pepperpy_capabilities.reasoning.rules.source import Place, Source
from pepperpy_schemas.errors import BadRule

_MESSAGE = re.compile(r"<string>:(\d+):(\d+)\S*: error: (.*)", re.DOTALL)
_SPACES = re.compile(r'("(?:\\.|[^"\\])*")|\s+')
_IGNORED = (
    ast.ASTType.Program,
    ast.ASTType.Comment,
    ast.ASTType.ShowSignature,
    ast.ASTType.ShowTerm,
)
_WHY_NOT = {
    ast.ASTType.Minimize: "gives no best answer; reason-constraints does",
    ast.ASTType.Program: "has no parts",
}

_HINTS = (
    "a rule is like: bird(X) :- penguin(X).   and ends with a point",
    "a query is like: grandparent(X, cy), not rich(X)",
)


class Statement(NamedTuple):
    """One statement.

    Attributes:
        number: Its number, from 1; 0 for the question.
        node: It, as clingo read it.
        text: It, as it was written.
        place: Where it was.
    """

    number: int
    node: ast.AST
    text: str
    place: Place

    def __str__(self) -> str:
        if not self.number:
            return "the query"
        return f"rule {self.number} ({self.place})" if self.place.line else "what excludes both"

    def refuse(self, fact: str, hint: str = "") -> BadRule:
        """Returns the error that names this statement."""
        return BadRule(f"{self} {fact}: {self.text}", hint=hint, context=self.context())

    def context(self) -> dict[str, object]:
        """Returns where it is, for errors."""
        return {
            "rule": self.number,
            "text": self.text,
            "field": self.place.field,
            "line": self.place.line,
        }


class Statements(NamedTuple):
    """All statements.

    Attributes:
        rules: The rules, facts and constraints, numbered from 1.
        constants: What ``#const`` defines.
        query: The question.
    """

    rules: list[Statement]
    constants: list[Statement]
    query: Statement

    def at(self, line: int, column: int) -> Statement:
        """Returns the statement that has a place of the text in it."""
        found = self.query
        for one in self.rules:
            begin = one.node.location.begin
            if (begin.line, begin.column) > (line, column):
                break
            found = one
        begin = self.query.node.location.begin
        return self.query if (line, column) >= (begin.line, begin.column) else found


def read(source: Source) -> Statements:
    """Returns the statements of a text.

    Raises:
        BadRule: One cannot be read, or is none that is allowed.
    """
    nodes = _parse(source)
    lines = source.text.encode().split(b"\n")
    rules: list[Statement] = []
    constants: list[Statement] = []
    asked: list[Statement] = []
    for node in nodes:
        kind, location = node.ast_type, node.location
        if kind in _IGNORED and (
            kind != ast.ASTType.Program or (node.name == "base" and not node.parameters)
        ):
            continue
        place = source.place(location.begin.line)
        text = _slice(location, lines)
        if place.field == "query":
            text = text.removeprefix(":-").removesuffix(".").strip()
            asked.append(Statement(0, node, text, place))
            continue
        one = Statement(len(rules) + 1, node, text, place)
        if kind == ast.ASTType.Definition:
            constants.append(one)
        elif kind == ast.ASTType.Rule:
            rules.append(one)
        else:
            raise one.refuse(_WHY_NOT.get(kind, f"is not allowed: {kind.name}"))
    if len(asked) != 1 or not _is_question(asked[0].node):
        raise BadRule(
            "the query is none: it must be conditions, parted by commas",
            hint=_HINTS[True],
            context={"field": "query", "line": 1},
        )
    return Statements(rules, constants, asked[0])


def _parse(source: Source) -> list[ast.AST]:
    try:
        return _parse_text(source.text)
    except BadRule as error:
        # What is not ended in one part is noticed in the next one only.
        for field, text in source.parts:
            try:
                _parse_text(text)
            except BadRule as inner:
                lines = text.split("\n")
                line = min(int(inner.context["line"]), len(lines))
                place = Place(field, line)
                written = "" if field == "query" else lines[line - 1].strip()
                raise BadRule(
                    f"{place}: {inner.message}" + (f": {written:.200}" if written else ""),
                    hint=_HINTS[field == "query"],
                    context={"field": field, "line": line},
                ) from None
        raise error from None


def _parse_text(text: str) -> list[ast.AST]:
    nodes: list[ast.AST] = []
    said: list[str] = []
    try:
        ast.parse_string(text, nodes.append, None, lambda _, message: said.append(message))
    except RuntimeError as error:
        match = _MESSAGE.match(said[0]) if said else None
        line, fact = (int(match[1]), match[3].strip()) if match else (1, str(error))
        raise BadRule(fact, context={"line": line}) from None
    return nodes


def _is_question(node: ast.AST) -> bool:
    return node.ast_type == ast.ASTType.Rule and str(node.head) == "#false" and bool(node.body)


def _slice(location: ast.Location, lines: list[bytes]) -> str:
    begin, end = location.begin, location.end
    part = lines[begin.line - 1 : end.line]
    part[-1] = part[-1][: end.column - 1]
    part[0] = part[0][begin.column - 1 :]
    return _in_one_line(b"\n".join(part).decode(errors="replace"))


def _in_one_line(text: str) -> str:
    """A statement as errors and proofs show it; what is quoted stays as it is."""
    return _SPACES.sub(lambda found: found[1] or " ", text).strip()
