"""Facts, rules and a question about them, and its answers with their proofs.

Rules are Horn clauses with negation as failure, as text in clingo's language or as Structs; both
can be mixed. In Structs a text that begins with ``?`` is a variable (``?x``), any other one is a
value. In text `ana` and `"ana"` are the same value.
"""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.problems import Answer, Problem

RULES: Final = "reason-rules"
"""The topic of the tasks."""
MAX_TEXT: Final = 1_000_000
"""Characters of rules as text."""
MAX_ROWS: Final = 200_000
"""Rows of a table of facts."""

Number = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Value = Number | Annotated[str, msgspec.Meta(max_length=65_536)]
"""What variables stand for: whole numbers of 32 bits, and texts."""
Name = Annotated[str, msgspec.Meta(pattern="^-?_?[a-z][A-Za-z0-9_]*$", max_length=256)]
"""The name of a predicate: of what is said of some values. With a ``-`` the contrary is said."""


class Calculated(msgspec.Struct, frozen=True):
    """A number that is calculated from others.

    Attributes:
        calc: What is done with both; ``/`` leaves the fraction out, and ``%`` is the rest.
        left: The first number or variable.
        right: The second one.
    """

    calc: Literal["+", "-", "*", "/", "%"]
    left: "Term"
    right: "Term"


Term = Value | Calculated


class Atom(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is true or not: ``parent(ana, bo)``.

    Attributes:
        name: What is said.
        args: Of which values; variables begin with ``?``.
    """

    name: Name
    args: Annotated[list[Term], msgspec.Meta(max_length=64)] = []


class Comparison(msgspec.Struct, frozen=True):
    """Two values that are compared: numbers by their size, texts by their characters.

    Attributes:
        left: The first value or variable.
        compare: How.
        right: The second one.
    """

    left: Term
    compare: Literal["==", "!=", "<", "<=", ">", ">="]
    right: Term


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What must all hold.

    Attributes:
        when: What must be true.
        unless: What must not be: nothing makes it true.
        where: What must be so of the values.
    """

    when: Annotated[list[Atom], msgspec.Meta(max_length=256)] = []
    unless: Annotated[list[Atom], msgspec.Meta(max_length=256)] = []
    where: Annotated[list[Comparison], msgspec.Meta(max_length=256)] = []


class Rule(Conditions, frozen=True, omit_defaults=True, kw_only=True):
    """Something is true whenever its conditions hold.

    Attributes:
        then: What is true; None when the conditions must never hold.
    """

    then: Atom | None = None


RuleText = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Row = Annotated[list[Value], msgspec.Meta(max_length=64)]


class RulesProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """What follows from facts and rules.

    Attributes:
        rules: The rules: a text, or a list of texts and Structs.
        facts: Facts as tables: ``{"parent": [["ana", "bo"], ["bo", "cy"]]}``.
        query: The question: conditions, as text or as a Struct. Its variables are what is asked.
        worlds: Rules may allow several worlds, each a way in which all can be true. ``every``: an
            answer holds in each of them. ``some``: in one at least. ``first``: in the first that is
            found, as puzzles want it.
        most: Most answers.
        proofs: How many of them come with a proof.
    """

    rules: RuleText | Annotated[list[RuleText | Rule], msgspec.Meta(max_length=10_000)] = ""
    facts: dict[Name, Annotated[list[Row], msgspec.Meta(max_length=MAX_ROWS)]] = {}
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)] | Conditions
    worlds: Literal["every", "some", "first"] = "every"
    most: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    proofs: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step of a proof.

    Attributes:
        holds: What holds: ``grandparent(ana,cy)``.
        by: Why. ``fact``: it was given. ``rule``: a rule says so. ``choice``: a rule allows it, and
            this world has it. ``absent``: nothing makes it true. ``test``: the values are so.
        rule: The number of the rule, as in `Deduced.rules`; 0 for facts of a table, and others.
        uses: The numbers of the steps that it follows from, from 0.
    """

    holds: str
    by: Literal["fact", "rule", "choice", "absent", "test"]
    rule: Annotated[int, msgspec.Meta(ge=0)] = 0
    uses: list[Annotated[int, msgspec.Meta(ge=0)]] = []


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer.

    Attributes:
        values: What each variable of the question stands for.
        proof: Its proof: the first step is the question itself. What is used several times is
            there once.
        cut: Whether the proof was too long to be told whole.
    """

    values: dict[str, Value] = {}
    proof: list[Step] = []
    cut: bool = False


class UsedRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that a proof uses.

    Attributes:
        number: Its number, from 1, in the order in which they were given.
        text: It, as it was written.
        field: Where it was: ``rules`` or ``rules[3]``.
        line: Its line there, from 1.
    """

    number: int
    text: str
    field: str
    line: int = 1


class Deduced(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """What follows.

    Attributes:
        answers: The answers; none when the question has none. One without values says yes to a
            question without variables.
        more: Whether there are more than were asked for.
        worlds: How many worlds were looked at.
        rules: The rules that the proofs use.
        notes: What is odd: predicates that nothing makes true, calculations with texts.
    """

    answers: list[Found] = []
    more: bool = False
    worlds: int = 1
    rules: list[UsedRule] = []
    notes: list[str] = []
