"""The variables of a problem in a model of CP-SAT; imported only where a problem is solved."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

from ortools.sat.python.cp_model import (
    CpModel,
    Domain,
    IntervalVar,
    IntVar,
    LinearExpr,
    LinearExprT,
)

from pepperpy_capabilities.reasoning.constraints.domains import bounds, check_sizes, sizes
from pepperpy_capabilities.reasoning.constraints.texts import Linear
from pepperpy_schemas.constraints import (
    BoolVariable,
    EnumVariable,
    IntervalVariable,
    IntVariable,
    Solution,
    Span,
    Variable,
)
from pepperpy_schemas.errors import BadProblem, TooBig

_MOST = 2**53  # of a sum: what every JSON reader counts exactly, far below what CP-SAT can


class Space:
    """Variables by their names.

    Args:
        variables: The variables, as a problem has them.

    Raises:
        BadProblem: A domain is empty, or a name has another meaning.
        Unbounded: A variable lacks a bound.
        TooBig: A bound is too large.
    """

    def __init__(self, variables: dict[str, Variable]) -> None:
        self.model = CpModel()
        self.variables = variables
        self._numbers: dict[str, IntVar] = {}
        self._bounds: dict[str, tuple[int, int]] = {}
        self._intervals: dict[str, IntervalVar] = {}
        # One number for each word, so that variables with other words can be compared.
        self._words: dict[str, int] = {}
        for name, variable in variables.items():
            self._add(name, variable)

    def truth(self, name: str, place: str) -> IntVar:
        """Returns a boolean variable.

        Raises:
            BadProblem: There is none of that name.
        """
        number = self._number(name, place)
        if self._bounds[name] != (0, 1) or isinstance(self.variables.get(name), EnumVariable):
            raise BadProblem(f"{place}: {name} is no boolean variable", context={"field": place})
        return number

    def interval(self, name: str, place: str) -> IntervalVar:
        """Returns an interval.

        Raises:
            BadProblem: There is none of that name.
        """
        if name not in self._intervals:
            self._refuse("interval", name, self._intervals, place)
        return self._intervals[name]

    def is_enum(self, name: str) -> bool:
        """Returns whether a variable has words as values."""
        return isinstance(self.variables.get(name), EnumVariable)

    def word(self, name: str, word: str, place: str) -> int:
        """Returns the number of a word of an enum variable.

        Raises:
            BadProblem: The variable has no words, or not this one.
        """
        variable = self.variables.get(name)
        if not name:
            raise BadProblem(f"{place}: a sum is no {word!r}", context={"field": place})
        if not isinstance(variable, EnumVariable):
            self._number(name, place)
            raise BadProblem(
                f"{place}: {name} is a number, and no {word!r}", context={"field": place}
            )
        if word not in variable.values:
            raise BadProblem(
                f"{place}: {name} cannot be {word!r}",
                hint=f"its values: {', '.join(variable.values[:20])}",
                context={"field": place},
            )
        return self._words[word]

    def expression(self, linear: Linear, place: str) -> LinearExprT:
        """Returns a sum of numbers.

        Raises:
            BadProblem: A variable is not known, or none that can be counted with.
            TooBig: The sum can become too large.
        """
        self.range(linear, place)
        if enums := [name for name in linear.terms if self.is_enum(name)]:
            raise BadProblem(
                f"{place}: {enums[0]} has words as values, and no place in a sum",
                context={"field": place},
            )
        names = list(linear.terms)
        return (
            LinearExpr.weighted_sum(
                [self._numbers[name] for name in names], [linear.terms[name] for name in names]
            )
            + linear.constant
        )

    def variable(self, linear: Linear, place: str) -> LinearExprT:
        """Returns a variable that stands alone, whether numbers or words are its values; or a sum.

        It raises as `expression` does.
        """
        if self.is_enum(linear.alone):
            return self._numbers[linear.alone]
        return self.affine(linear, place)

    def affine(self, linear: Linear, place: str) -> LinearExprT:
        """Returns a sum of at most one variable: what constraints besides relations take.

        It raises as `expression` does.
        """
        expression = self.expression(linear, place)
        if len(linear.terms) < 2:
            return expression
        low, high = self.range(linear, place)
        whole = self.model.new_int_var(low, high, "")
        self.model.add(whole == expression)
        return whole

    def range(self, linear: Linear, place: str) -> tuple[int, int]:
        """Returns the least and the largest that a sum can be by the bounds of its variables.

        Raises:
            BadProblem: A variable is not known.
            TooBig: The sum can become too large.
        """
        low = high = linear.constant
        for name, factor in linear.terms.items():
            self._number(name, place)
            ends = [factor * bound for bound in self._bounds[name]]
            low, high = low + min(ends), high + max(ends)
        if max(-low, high) > _MOST:
            raise TooBig(
                f"{place}: the sum can become larger than {_MOST:,}",
                hint="make the bounds of its variables, or its factors, smaller",
                context={"field": place},
            )
        return low, high

    def amount(self, linear: Linear, value: Callable[[IntVar], int]) -> int:
        """Returns what a sum of numbers is in a solution.

        Args:
            linear: The sum.
            value: What the solver says that a variable is.
        """
        return linear.constant + sum(
            factor * value(self._numbers[name]) for name, factor in linear.terms.items()
        )

    def read(self, value: Callable[[IntVar], int]) -> Solution:
        """Returns the values of all variables.

        Args:
            value: What the solver says that a variable is.
        """
        words = {number: word for word, number in self._words.items()}

        def of(name: str, variable: Variable) -> int | bool | str | Span | None:
            if isinstance(variable, IntervalVariable):
                if variable.optional and not value(self._numbers[f"{name}.present"]):
                    return None
                return Span(
                    value(self._numbers[f"{name}.start"]), value(self._numbers[f"{name}.end"])
                )
            found = value(self._numbers[name])
            if isinstance(variable, BoolVariable):
                return bool(found)
            return words[found] if isinstance(variable, EnumVariable) else found

        return Solution(values={name: of(name, one) for name, one in self.variables.items()})

    def _add(self, name: str, variable: Variable) -> None:
        place = f"variables.{name}"
        if name == "not":
            raise BadProblem(f"{place}: not is no name", context={"field": place})
        match variable:
            case BoolVariable():
                self._keep(name, self.model.new_bool_var(name), 0, 1)
            case EnumVariable():
                numbers = [self._words.setdefault(w, len(self._words)) for w in variable.values]
                self._keep_values(name, numbers)
            case IntVariable(values=[_, *_]):
                if variable.low is not None or variable.high is not None:
                    raise BadProblem(f"{place} has values and bounds", context={"field": place})
                check_sizes(variable.values, place)
                self._keep_values(name, variable.values)
            case IntVariable():
                self._new(name, *bounds(variable, place))
            case IntervalVariable():
                self._add_interval(name, variable, place)

    def _add_interval(self, name: str, variable: IntervalVariable, place: str) -> None:
        low, high = bounds(variable, place)
        least, most = sizes(variable, place)
        start = self._new(f"{name}.start", low, high - least)
        end = self._new(f"{name}.end", low + least, high)
        size = self._new(f"{name}.size", least, most)
        if not variable.optional:
            self._intervals[name] = self.model.new_interval_var(start, size, end, name)
            return
        present = self.model.new_bool_var(f"{name}.present")
        self._keep(f"{name}.present", present, 0, 1)
        self._intervals[name] = self.model.new_optional_interval_var(
            start, size, end, present, name
        )
        # One value where nothing depends on it: else each is a solution of its own.
        for one, value in ((start, low), (end, low + least), (size, least)):
            self.model.add(one == value).only_enforce_if(~present)

    def _new(self, name: str, low: int, high: int) -> IntVar:
        number = self.model.new_int_var(low, high, name)
        self._keep(name, number, low, high)
        return number

    def _keep_values(self, name: str, values: list[int]) -> None:
        number = self.model.new_int_var_from_domain(Domain.from_values(values), name)
        self._keep(name, number, min(values), max(values))

    def _keep(self, name: str, number: IntVar, low: int, high: int) -> None:
        self._numbers[name] = number
        self._bounds[name] = (low, high)

    def _number(self, name: str, place: str) -> IntVar:
        if name not in self._numbers:
            self._refuse("variable", name, self._numbers, place)
        return self._numbers[name]

    def _refuse(self, what: str, name: str, known: object, place: str) -> NoReturn:
        assert isinstance(known, dict)
        near = get_close_matches(name, known, 1)
        raise BadProblem(
            f"{place}: there is no {what} {name}",
            hint=f"did you mean {near[0]}?" if near else "",
            context={"field": place},
        )
