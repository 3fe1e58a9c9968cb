"""The rules of a problem as one text, whose lines know where they come from."""

import re
from bisect import bisect_right
from typing import NamedTuple

from pepperpy_capabilities.reasoning.rules.wording import worded_conditions, worded_rule
from pepperpy_schemas.errors import BadRule
from pepperpy_schemas.rules import Conditions, RulesProblem

# Scripts run, and other files are opened, while clingo reads: so nothing of the kind is let near
# it, not even in comments, which clingo may see elsewhere than we do.
_DIRECTIVE = re.compile(r"#\s*(script|include)", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"|%\*.*?\*%|%[^\n]*', re.DOTALL)
# Clingo reads bytes: of a letter that is none of its own it would tell a half.
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_NUMBER = re.compile(r"\b(?:0x[0-9A-Fa-f]{8,}|0o[0-7]{11,}|0b[01]{32,}|\d{10,})\b")
_LARGEST = 2**31 - 1
_DIGITS = 40  # of a number that is looked at; more are too many in any base


class Place(NamedTuple):
    """Where something is.

    Attributes:
        field: The field of the problem: ``rules[3]``.
        line: Its line in there, from 1.
    """

    field: str
    line: int

    def __str__(self) -> str:
        return self.field if self.field != "rules" else f"line {self.line}"


class Source:
    """All rules, and the question as the last one: a rule without a head.

    Raises:
        BadRule: A rule has what rules may not have.
    """

    def __init__(self, problem: RulesProblem) -> None:
        self._texts: list[str] = []
        self._fields: list[str] = []
        self._first_lines: list[int] = []
        self._lines = 1
        if isinstance(problem.rules, str):
            self._add("rules", problem.rules)
        else:
            for n, rule in enumerate(problem.rules):
                text = rule if isinstance(rule, str) else worded_rule(rule)
                self._add(f"rules[{n}]", text)
        asked = problem.query
        text = worded_conditions(asked) if isinstance(asked, Conditions) else _bare(asked)
        self._add("query", f":- {text}\n.")

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self._texts)

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Each field with its text."""
        return list(zip(self._fields, self._texts, strict=True))

    def place(self, line: int) -> Place:
        """Returns where a line of the text comes from."""
        n = bisect_right(self._first_lines, line) - 1
        return Place(self._fields[n], line - self._first_lines[n] + 1)

    def _add(self, field: str, text: str) -> None:
        _check(field, text)
        self._texts.append(text)
        self._fields.append(field)
        self._first_lines.append(self._lines)
        self._lines += text.count("\n") + 1


def _base(number: str) -> int:
    return {"0x": 16, "0o": 8, "0b": 2}.get(number[:2], 10)


def _bare(query: str) -> str:
    """A question as it is often written, without what begins and ends it."""
    return query.strip().removeprefix("?-").removesuffix(".").removesuffix("?")


def _check(field: str, text: str) -> None:
    if "\0" in text:
        raise BadRule(f"{field} has the character 0", context={"field": field})
    if found := _DIRECTIVE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise BadRule(
            f"{Place(field, line)}: #{found[1]} is not allowed, nor in comments and texts",
            hint="rules are rules alone: they open no files and run no programs",
            context={"field": field, "line": line},
        )
    bare = _QUOTED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    if foreign := _FOREIGN.search(bare):
        line = text.count("\n", 0, foreign.start()) + 1
        raise BadRule(
            f"{Place(field, line)}: {foreign[0]!r} can only be in quoted texts",
            hint='names are letters a to z, digits and _; write other words as "größe"',
            context={"field": field, "line": line},
        )
    for number in _NUMBER.finditer(bare):
        if len(number[0]) > _DIGITS or int(number[0], _base(number[0])) > _LARGEST:
            line = text.count("\n", 0, number.start()) + 1
            raise BadRule(
                f"{Place(field, line)}: {number[0]:.40} is larger than {_LARGEST}",
                context={"field": field, "line": line},
            )
