"""Constraint problems as data: variables, what must hold of them, what is wanted; and the answer.

A sum is a text of whole numbers and variables: ``2*x + y - 3``. A relation is two sums and a
comparison, ``x + y <= 10``, or an enum variable and one of its values, ``nation == 'Norwegian'``. A
condition is a relation, a boolean variable, or ``not`` and one. Of an interval ``a`` there are the
variables ``a.start``, ``a.end``, ``a.size``, and ``a.present`` where it is optional.
"""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.problems import Answer, Problem

CONSTRAINTS: Final = "reason-constraints"
"""The topic of constraint problems."""
MAX_VARIABLES: Final = 20_000
MAX_CONSTRAINTS: Final = 20_000
MAX_SOLUTIONS: Final = 10_000
LARGEST: Final = 10**12
"""The largest amount of a bound, and of a number in a sum."""

VariableName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
ConstraintName = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100_000)]
Sum = int | Text
Sums = Annotated[list[Sum], msgspec.Meta(min_length=1, max_length=MAX_VARIABLES)]
Conditions = Annotated[list[Text], msgspec.Meta(min_length=1, max_length=MAX_VARIABLES)]
Intervals = Annotated[list[VariableName], msgspec.Meta(min_length=1, max_length=MAX_VARIABLES)]
EnumValue = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Variable(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind"):
    pass


class IntVariable(_Variable, frozen=True, omit_defaults=True, kw_only=True, tag="int"):
    """A whole number between two bounds, or one of some.

    Attributes:
        low: The least that it may be.
        high: The largest.
        values: Instead of bounds all that it may be.
    """

    low: int | None = None
    high: int | None = None
    values: Annotated[list[int], msgspec.Meta(max_length=100_000)] = msgspec.field(
        default_factory=list
    )


class BoolVariable(_Variable, frozen=True, omit_defaults=True, kw_only=True, tag="bool"):
    """True or false; 1 or 0 in a sum."""


class EnumVariable(_Variable, frozen=True, omit_defaults=True, kw_only=True, tag="enum"):
    """One of some words; it may be compared and be different, and has no place in a sum.

    Attributes:
        values: The words.
    """

    values: Annotated[list[EnumValue], msgspec.Meta(min_length=1, max_length=10_000)]


class IntervalVariable(_Variable, frozen=True, omit_defaults=True, kw_only=True, tag="interval"):
    """A span of time in whole units.

    Attributes:
        low: The earliest start.
        high: The latest end.
        size: How long it is, or at least is.
        max_size: How long it is at most; the same by default.
        optional: Whether it may be absent.
    """

    low: int | None = None
    high: int | None = None
    size: Annotated[int, msgspec.Meta(ge=0)]
    max_size: int | None = None
    optional: bool = False


Variable = IntVariable | BoolVariable | EnumVariable | IntervalVariable


class _Constraint(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind"):
    name: ConstraintName = ""


class Linear(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="linear"):
    """A relation.

    Attributes:
        name: What it is called in answers; its place by default: ``constraints[3]``.
        holds: The relation: ``2*x + y <= 10``.
        reified: A boolean variable that is true exactly if it holds; then it need not.
    """

    holds: Text
    reified: str = ""


class AllDifferent(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="all_different"):
    """Sums, or enum variables, no two of which are the same.

    Attributes:
        name: What it is called in answers.
        of: The sums or variables.
    """

    of: Sums


class Element(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="element"):
    """``of[index] == equals``.

    Attributes:
        name: What it is called in answers.
        index: Which one, counted from 0; it is one of them.
        of: The list.
        equals: What that one is.
    """

    index: Sum
    of: Sums
    equals: Sum


class Table(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="table"):
    """The values together are one of some rows, or none of them.

    Attributes:
        name: What it is called in answers.
        of: The sums or variables, by which the columns are.
        rows: The rows: numbers, truth values, or words of enum variables.
        forbidden: Whether the rows are what must not be.
    """

    of: Sums
    rows: Annotated[list[list[int | bool | str]], msgspec.Meta(max_length=100_000)]
    forbidden: bool = False


class Implication(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="implication"):
    """If some conditions are all true, others are all true.

    Attributes:
        name: What it is called in answers.
        when: The conditions.
        then: What follows from them.
    """

    when: Conditions
    then: Conditions


class Or(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="or"):
    """At least one condition is true.

    Attributes:
        name: What it is called in answers.
        any: The conditions.
        reified: A boolean variable that is true exactly if it holds; then it need not.
    """

    any: Conditions
    reified: str = ""


class And(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="and"):
    """All conditions are true.

    Attributes:
        name: What it is called in answers.
        all: The conditions.
        reified: A boolean variable that is true exactly if it holds; then it need not.
    """

    all: Conditions
    reified: str = ""


class NoOverlap(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="no_overlap"):
    """Intervals that are present do not overlap.

    Attributes:
        name: What it is called in answers.
        intervals: The intervals.
    """

    intervals: Intervals


class Cumulative(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="cumulative"):
    """At no time the intervals that are present demand more than there is.

    Attributes:
        name: What it is called in answers.
        intervals: The intervals.
        demands: How much each takes while it lasts; none is negative.
        capacity: How much there is.
    """

    intervals: Intervals
    demands: Sums
    capacity: Sum


class Circuit(_Constraint, frozen=True, omit_defaults=True, kw_only=True, tag="circuit"):
    """A way through all places and back to the first.

    Attributes:
        name: What it is called in answers.
        next: For each place, counted from 0, the place that follows it.
    """

    next: Annotated[list[Text], msgspec.Meta(min_length=2, max_length=300)]


Constraint = (
    Linear
    | AllDifferent
    | Element
    | Table
    | Implication
    | Or
    | And
    | NoOverlap
    | Cumulative
    | Circuit
)


class ConstraintProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """Variables, and what must hold of them.

    Attributes:
        variables: The variables by their names.
        constraints: What must hold.
        minimize: A sum that shall be as small as possible.
        maximize: A sum that shall be as large as possible.
        ask: ``one`` solution, ``all`` of them, or an ``optimal`` one, which is the default where
            something shall be optimized; else it is ``one``.
        limit: Most solutions of an answer to ``all``.
        workers: Threads that search. With one the same problem has the same answer; more are
            faster at large problems. ``all`` is asked of one.
    """

    variables: Annotated[
        dict[VariableName, Variable], msgspec.Meta(min_length=1, max_length=MAX_VARIABLES)
    ]
    constraints: Annotated[list[Constraint], msgspec.Meta(max_length=MAX_CONSTRAINTS)] = (
        msgspec.field(default_factory=list)
    )
    minimize: Annotated[str, msgspec.Meta(max_length=100_000)] = ""
    maximize: Annotated[str, msgspec.Meta(max_length=100_000)] = ""
    ask: Literal["one", "all", "optimal"] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_SOLUTIONS)] = 100
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


class Span(msgspec.Struct, frozen=True):
    """When an interval is.

    Attributes:
        start: Its start.
        end: Its end; what begins then does not overlap it.
    """

    start: int
    end: int


class Solution(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A value for each variable that meets all constraints.

    Attributes:
        values: The values; None for an interval that is absent.
        objective: What the sum that was to be optimized is.
    """

    values: dict[str, int | bool | str | Span | None]
    objective: int | None = None


class ConstraintAnswer(Answer, frozen=True, omit_defaults=True, kw_only=True):
    """Solutions, or why there are none.

    Attributes:
        status: ``optimal``: no solution is better, as was proved. ``feasible``: it meets all
            constraints. ``infeasible``: none does, as was proved.
        solutions: The solutions; one unless all were asked for.
        objective: What the sum that was to be optimized is.
        bound: No solution is better than this; the objective itself where it is optimal.
        complete: Whether there are no other solutions than these; only ``all`` finds that out.
        conflict: Where there are none, constraints that exclude each other.
        minimal: Whether each constraint of the conflict is needed for it; false where the time was
            over before that was known.
        binding: Inequalities with a name that leave no room at the optimum.
    """

    status: Literal["optimal", "feasible", "infeasible"]
    solutions: list[Solution] = msgspec.field(default_factory=list)
    objective: int | None = None
    bound: int | None = None
    complete: bool = False
    conflict: list[str] = msgspec.field(default_factory=list)
    minimal: bool = False
    binding: list[str] = msgspec.field(default_factory=list)
