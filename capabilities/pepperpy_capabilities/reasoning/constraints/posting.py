"""What must hold, said to CP-SAT; imported only where a problem is solved.

Each constraint holds where some literals are true. So it can be switched off, which is how those
are found that exclude each other, and be what a boolean variable stands for.
"""

import operator
from collections.abc import Sequence
from typing import Any

from ortools.sat.python.cp_model import IntVar, LinearExprT

from pepperpy_capabilities.reasoning.constraints.space import Space
from pepperpy_capabilities.reasoning.constraints.texts import (
    NEGATED,
    Linear,
    Relation,
    Truth,
    read_condition,
    read_relation,
    read_sum,
)
from pepperpy_schemas import constraints as said
from pepperpy_schemas.constraints import Sum
from pepperpy_schemas.errors import BadProblem, TooBig

Literal = Any
"""A boolean variable of CP-SAT, or its negation."""
_Global = (
    said.AllDifferent | said.Element | said.Table | said.NoOverlap | said.Cumulative | said.Circuit
)

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_MOST_CELLS = 1_000_000  # of a table


class Posting:
    """Says constraints of one problem.

    Args:
        space: Its variables.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._model = space.model
        self._conditions: dict[str, Literal] = {}

    def post(self, constraint: said.Constraint, place: str, given: Sequence[Literal]) -> None:
        """Says that a constraint holds where all literals are true.

        Args:
            constraint: The constraint.
            place: Where it stands, for errors.
            given: The literals.

        Raises:
            BadProblem: Something of it cannot be read or used; the context names the field.
            TooBig: It grows into more than one problem may have.
        """
        if isinstance(constraint, said.Linear | said.Or | said.And):
            self._reified(constraint, place, list(given))
        elif isinstance(constraint, said.Implication):
            when = self._literals(constraint.when, f"{place}.when")
            then = self._literals(constraint.then, f"{place}.then")
            self._model.add_bool_and(then).only_enforce_if([*given, *when])
        else:
            self._made(constraint, place).only_enforce_if(list(given))

    def _made(self, constraint: _Global, place: str) -> Any:
        match constraint:
            case said.AllDifferent():
                return self._model.add_all_different(self._alike(constraint.of, f"{place}.of"))
            case said.Element():
                return self._element(constraint, place)
            case said.Table():
                return self._table(constraint, place)
            case said.NoOverlap():
                return self._model.add_no_overlap(self._intervals(constraint, place))
            case said.Cumulative():
                return self._cumulative(constraint, place)
            case said.Circuit():
                return self._circuit(constraint, place)

    def _reified(
        self, constraint: said.Linear | said.Or | said.And, place: str, given: list[Literal]
    ) -> None:
        """Says it, or that a variable is true exactly if it holds."""
        if not constraint.reified:
            self._either(constraint, place, given, holds=True)
            return
        truth = self._space.truth(constraint.reified, f"{place}.reified")
        self._either(constraint, place, [*given, truth], holds=True)
        self._either(constraint, place, [*given, ~truth], holds=False)

    def _either(
        self,
        constraint: said.Linear | said.Or | said.And,
        place: str,
        given: list[Literal],
        *,
        holds: bool,
    ) -> None:
        if isinstance(constraint, said.Linear):
            place = f"{place}.holds"
            relation = read_relation(constraint.holds, place)
            made: Any = self._model.add(self._compared(relation, place, holds=holds))
        elif isinstance(constraint, said.Or) is holds:
            made = self._model.add_bool_or(self._parts(constraint, place, holds=holds))
        else:
            made = self._model.add_bool_and(self._parts(constraint, place, holds=holds))
        made.only_enforce_if(given)

    def _parts(self, constraint: said.Or | said.And, place: str, *, holds: bool) -> list[Literal]:
        """Its conditions, or their opposites: what is left of it when it does not hold."""
        if isinstance(constraint, said.Or):
            literals = self._literals(constraint.any, f"{place}.any")
        else:
            literals = self._literals(constraint.all, f"{place}.all")
        return literals if holds else [~one for one in literals]

    def _compared(self, relation: Relation, place: str, *, holds: bool) -> Any:
        """A relation as CP-SAT takes it, or its opposite."""
        left, right = self._sides(relation, place)
        comparison = relation.comparison if holds else NEGATED[relation.comparison]
        return _OPERATORS[comparison](left, right)

    def _sides(self, relation: Relation, place: str) -> tuple[LinearExprT, LinearExprT]:
        left, right = relation.left, relation.right
        if isinstance(right, str):
            number = self._space.word(left.alone, right, place)
            return self._space.variable(left, place), number
        both = left.alone, right.alone
        if all(both) and all(map(self._space.is_enum, both)):
            if relation.comparison not in ("==", "!="):
                raise BadProblem(
                    f"{place}: words have no order: {both[0]} and {both[1]} are the same or not",
                    context={"field": place},
                )
            return self._space.variable(left, place), self._space.variable(right, place)
        difference = left - right
        if not difference.terms:
            raise BadProblem(f"{place} compares no variable", context={"field": place})
        self._space.range(difference, place)
        moving = Linear(difference.terms)
        return self._space.expression(moving, place), -difference.constant

    def _literals(self, conditions: list[str], place: str) -> list[Literal]:
        return [self._literal(text, f"{place}[{n}]") for n, text in enumerate(conditions)]

    def _literal(self, text: str, place: str) -> Literal:
        """A literal that is true exactly if a condition is."""
        if (known := self._conditions.get(text)) is not None:
            return known
        condition = read_condition(text, place)
        if isinstance(condition, Truth):
            variable = self._space.truth(condition.name, place)
            literal: Literal = ~variable if condition.negated else variable
        else:
            literal = self._model.new_bool_var("")
            self._mean(literal, condition, place)
        self._conditions[text] = literal
        return literal

    def _mean(self, literal: Literal, relation: Relation, place: str) -> None:
        for holds, given in ((True, literal), (False, ~literal)):
            made = self._model.add(self._compared(relation, place, holds=holds))
            made.only_enforce_if(given)

    def _list(self, sums: Sequence[Sum], place: str) -> list[LinearExprT]:
        return [self._one(one, f"{place}[{n}]") for n, one in enumerate(sums)]

    def _alike(self, sums: Sequence[Sum], place: str) -> list[LinearExprT]:
        """Sums, or enum variables: of the one nothing is the same as of the other."""
        read = [read_sum(one, f"{place}[{n}]") for n, one in enumerate(sums)]
        words = [self._space.is_enum(one.alone) for one in read]
        if any(words) and not all(words):
            raise BadProblem(
                f"{place}: {read[words.index(True)].alone} has words as values, and"
                f" {sums[words.index(False)]} is a number",
                context={"field": place},
            )
        return [self._space.variable(one, f"{place}[{n}]") for n, one in enumerate(read)]

    def _one(self, text: Sum, place: str) -> LinearExprT:
        return self._space.affine(read_sum(text, place), place)

    def _element(self, constraint: said.Element, place: str) -> Any:
        index = self._one(constraint.index, f"{place}.index")
        *of, equals = self._alike([*constraint.of, constraint.equals], f"{place}.of")
        return self._model.add_element(index, of, equals)

    def _table(self, constraint: said.Table, place: str) -> Any:
        columns = [read_sum(one, f"{place}.of[{n}]") for n, one in enumerate(constraint.of)]
        if len(constraint.rows) * len(columns) > _MOST_CELLS:
            raise TooBig(
                f"{place}.rows has more than {_MOST_CELLS:,} values",
                context={"field": f"{place}.rows"},
            )
        rows = [
            self._row(row, columns, f"{place}.rows[{n}]") for n, row in enumerate(constraint.rows)
        ]
        of = [self._space.variable(one, f"{place}.of[{n}]") for n, one in enumerate(columns)]
        if constraint.forbidden:
            return self._model.add_forbidden_assignments(of, rows)
        return self._model.add_allowed_assignments(of, rows)

    def _row(self, row: list[int | bool | str], columns: list[Linear], place: str) -> list[int]:
        if len(row) != len(columns):
            raise BadProblem(
                f"{place} has {len(row)} values, and there are {len(columns)} columns",
                context={"field": place},
            )
        cells: list[int] = []
        for value, column in zip(row, columns, strict=True):
            if isinstance(value, str):
                cells.append(self._space.word(column.alone, value, place))
            elif column.alone and self._space.is_enum(column.alone):
                raise BadProblem(
                    f"{place}: {column.alone} is a word, and not {value}", context={"field": place}
                )
            elif abs(value) > said.LARGEST:
                raise TooBig(f"{place}: {value} is too large", context={"field": place})
            else:
                cells.append(int(value))
        return cells

    def _intervals(self, constraint: said.NoOverlap | said.Cumulative, place: str) -> list[Any]:
        return [
            self._space.interval(name, f"{place}.intervals[{n}]")
            for n, name in enumerate(constraint.intervals)
        ]

    def _cumulative(self, constraint: said.Cumulative, place: str) -> Any:
        if len(constraint.demands) != len(constraint.intervals):
            raise BadProblem(
                f"{place}.demands has {len(constraint.demands)} for"
                f" {len(constraint.intervals)} intervals",
                context={"field": f"{place}.demands"},
            )
        for n, one in enumerate(constraint.demands):
            self._not_negative(one, f"{place}.demands[{n}]")
        self._not_negative(constraint.capacity, f"{place}.capacity")
        return self._model.add_cumulative(
            self._intervals(constraint, place),
            self._list(constraint.demands, f"{place}.demands"),
            self._one(constraint.capacity, f"{place}.capacity"),
        )

    def _not_negative(self, text: Sum, place: str) -> None:
        low, _ = self._space.range(read_sum(text, place), place)
        if low < 0:
            raise BadProblem(
                f"{place} can be {low}, and must not be negative", context={"field": place}
            )

    def _circuit(self, constraint: said.Circuit, place: str) -> Any:
        """Arcs from each place to the others, each true exactly if its variable says so."""
        places = range(len(constraint.next))
        arcs: list[tuple[int, int, IntVar]] = []
        for tail, text in enumerate(constraint.next):
            where = f"{place}.next[{tail}]"
            low, high = self._space.range(read_sum(text, where), where)
            heads = [head for head in places if low <= head <= high and head != tail]
            if not heads:  # CP-SAT would leave out a place without arcs, and nothing meets this
                return self._model.add_bool_or([])
            arcs += [(tail, head, self._literal(f"{text} == {head}", where)) for head in heads]
        return self._model.add_circuit(arcs)
