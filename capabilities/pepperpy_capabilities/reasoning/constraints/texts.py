"""Sums, relations and conditions, read from their texts.

```text
condition := relation | ["not"] NAME
relation  := sum COMPARISON sum | NAME ("==" | "!=") WORD
sum       := ["+" | "-"] term {("+" | "-") term}
term      := NUMBER ["*" NAME] | NAME ["*" NUMBER]
```

There are no parentheses and nothing is evaluated, so that a text of any length is read in one pass.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from pepperpy_schemas.constraints import LARGEST, Sum
from pepperpy_schemas.errors import BadProblem, TooBig

_TOKEN = re.compile(
    r"""(?P<number>\d+)
      | (?P<name>[A-Za-z_]\w*(?:\.(?:start|end|size|present)\b)?)
      | (?P<word>'[^']*'|"[^"]*")
      | (?P<comparison><=|>=|==|!=|<|>)
      | (?P<sign>[+-])
      | (?P<times>\*)""",
    re.VERBOSE | re.ASCII,
)
_SPACE = re.compile(r"\s*", re.ASCII)

NEGATED = {"==": "!=", "!=": "==", "<=": ">", ">": "<=", ">=": "<", "<": ">="}
"""Each comparison with the one that is true where it is false."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A sum of variables, each times a number, and of a number.

    Attributes:
        terms: The numbers by the names of the variables; none is 0.
        constant: What is added.
    """

    terms: dict[str, int] = field(default_factory=dict)
    constant: int = 0

    def __sub__(self, other: "Linear") -> "Linear":
        terms = dict(self.terms)
        for name, factor in other.terms.items():
            terms[name] = terms.get(name, 0) - factor
        return Linear({n: f for n, f in terms.items() if f}, self.constant - other.constant)

    @property
    def alone(self) -> str:
        """The variable that it is, and nothing else; or empty."""
        name = next(iter(self.terms), "")
        return name if self == Linear({name: 1}) else ""


@dataclass(frozen=True, slots=True)
class Relation:
    """Two sums, or a variable and a word, and how they are compared.

    Attributes:
        left: The left side.
        comparison: ``==``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        right: The right side.
    """

    left: Linear
    comparison: str
    right: Linear | str


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean variable, or that it is false.

    Attributes:
        name: The variable.
        negated: Whether it is to be false.
    """

    name: str
    negated: bool = False


def read_sum(text: Sum, place: str) -> Linear:
    """Returns a sum.

    Args:
        text: Its text, or a number.
        place: Where it stands, for the error.

    Raises:
        BadProblem: It cannot be read.
        TooBig: A number of it is too large.
    """
    reader = _Reader(str(text), place)
    found = reader.sum()
    reader.end()
    return found


def read_relation(text: str, place: str) -> Relation:
    """Returns a relation; it raises as `read_sum` does."""
    reader = _Reader(text, place)
    found = reader.relation(reader.sum())
    reader.end()
    return found


def read_condition(text: str, place: str) -> Relation | Truth:
    """Returns a condition; it raises as `read_sum` does."""
    reader = _Reader(text, place)
    if reader.take("name", "not"):
        found: Relation | Truth = Truth(reader.need("name", "a variable"), negated=True)
    else:
        left = reader.sum()
        found = Truth(left.alone) if left.alone and reader.ended else reader.relation(left)
    reader.end()
    return found


class _Reader:
    """One pass over the tokens of a text."""

    def __init__(self, text: str, place: str) -> None:
        self._text = text
        self._place = place
        self._tokens = self._read()
        self._next()

    @property
    def ended(self) -> bool:
        return not self._kind

    def sum(self) -> Linear:
        terms: dict[str, int] = {}
        constant = 0
        sign = -1 if self.take("sign", "-") else 1
        self.take("sign", "+")
        while True:
            name, factor = self._term()
            if name:
                terms[name] = terms.get(name, 0) + sign * factor
            else:
                constant += sign * factor
            if self._kind != "sign":
                return Linear({n: f for n, f in terms.items() if f}, constant)
            sign = -1 if self._value == "-" else 1
            self._next()

    def relation(self, left: Linear) -> Relation:
        comparison = self.need("comparison", "a comparison")
        if self._kind != "word":
            return Relation(left, comparison, self.sum())
        if not left.alone or comparison not in ("==", "!="):
            self._refuse("a word can only be what one variable is, or is not")
        word = self._value[1:-1]
        self._next()
        return Relation(left, comparison, word)

    def take(self, kind: str, value: str) -> bool:
        """Goes on, if the next token is this one."""
        if (self._kind, self._value) != (kind, value):
            return False
        self._next()
        return True

    def need(self, kind: str, what: str) -> str:
        value = self._value
        if self._kind != kind:
            self._expected(what)
        self._next()
        return value

    def end(self) -> None:
        if not self.ended:
            self._expected("nothing more")

    def _term(self) -> tuple[str, int]:
        if self._kind == "number":
            factor = self._number()
            return (self.need("name", "a variable"), factor) if self._times() else ("", factor)
        name = self.need("name", "a number or a variable")
        return name, self._number() if self._times() else 1

    def _times(self) -> bool:
        return self.take("times", "*")

    def _number(self) -> int:
        text = self.need("number", "a number")
        if len(text) > 18 or int(text) > LARGEST:
            raise TooBig(
                f"{self._place}: {text[:20]} is larger than {LARGEST:,}",
                context={"field": self._place},
            )
        return int(text)

    def _next(self) -> None:
        self._kind, self._value, self._at = next(self._tokens, ("", "", len(self._text)))

    def _read(self) -> Iterator[tuple[str, str, int]]:
        text, at = self._text, 0
        while (at := _SPACE.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # matches always
            found = _TOKEN.match(text, at)
            if found is None:
                self._at = at
                self._refuse(f"{text[at]!r} has no meaning here")
            yield found.lastgroup or "", found[0], at
            at = found.end()

    def _expected(self, what: str) -> NoReturn:
        found = repr(self._value[:40]) if self._kind else "the end"
        self._refuse(f"expected {what}, found {found}")

    def _refuse(self, why: str) -> NoReturn:
        shown = self._text if len(self._text) <= 80 else f"{self._text[:80]}…"
        raise BadProblem(
            f"{self._place}: {why}, at column {self._at + 1} of: {shown}",
            hint="for example 2*x + y <= 10; there are no parentheses",
            context={"field": self._place, "column": self._at + 1},
        )
