"""A calculator: arithmetic as people write it, read as a tree and never executed."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_schemas.errors import BadArguments

Number = int | float

LONGEST: Final = 1000
"""Characters of an expression."""
DEEPEST: Final = 50
"""Operations within operations."""
MOST_BITS: Final = 4096
"""Bits of a whole number, about 1233 digits; a larger one is refused before it is computed."""


def calculate(expression: str) -> Number:
    """Returns the value of an expression.

    It may have ``+ - * / // % **``, parentheses, ``pi``, ``e``, ``tau``, and the functions of
    `FUNCTIONS`.

    Raises:
        BadArguments: It is no arithmetic, has no value, or one that is too large.
    """
    if len(expression) > LONGEST:
        raise BadArguments(f"the expression has more than {LONGEST} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        value = _value(tree.body, DEEPEST)
    except BadArguments:
        raise
    except (SyntaxError, RecursionError, MemoryError):
        raise BadArguments(f"{expression!r:.120} is no arithmetic", hint=_HINT) from None
    except ZeroDivisionError:
        raise BadArguments(f"{expression!r:.120} divides by zero") from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise BadArguments(f"{expression!r:.120} has no value: {error}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise BadArguments(f"{expression!r:.120} is no finite number")
    return value


def _value(node: ast.expr, depth: int) -> Number:
    if depth == 0:
        raise BadArguments(f"more than {DEEPEST} operations are within each other")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)](_value(operand, depth - 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            a, b = _value(left, depth - 1), _value(right, depth - 1)
            return _bounded(_OPERATIONS[type(op)](a, b))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _bounded(FUNCTIONS[name](*(_value(one, depth - 1) for one in args)))
    raise BadArguments(f"{ast.unparse(node)!r:.120} is no arithmetic", hint=_HINT)


def _bounded(value: Any) -> Number:
    if isinstance(value, complex):
        raise BadArguments("it has no real value")
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise BadArguments(f"a number with more than {MOST_BITS} bits is too large")
    number: Number = value
    return number


def _power(base: Number, exponent: Number) -> Any:
    # Computed in floats an overflow is an error at once; in whole numbers it is a long wait.
    whole = isinstance(base, int) and isinstance(exponent, int) and exponent > 0
    if whole and int(base).bit_length() * exponent > MOST_BITS:
        raise BadArguments(f"a power with more than {MOST_BITS} bits is too large")
    return base**exponent


def _factorial(number: Number) -> int:
    if not isinstance(number, int) or not 0 <= number <= 400:
        raise BadArguments("factorial takes a whole number from 0 to 400")
    return math.factorial(number)


def _round(number: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 30:
        raise BadArguments("round takes a whole number of digits, at most 30")
    return round(number, digits) if digits else round(number)


CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e, "tau": math.tau}
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "degrees": math.degrees,
    "radians": math.radians,
    "factorial": _factorial,
}
"""What may be called; angles are in radians."""

_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Number, Number], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_SIGNS: Final[Mapping[type[ast.unaryop], Callable[[Number], Number]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_HINT: Final = f"use + - * / // % **, parentheses, pi, e, tau, and {', '.join(FUNCTIONS)}"


async def _call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:  # noqa: ARG001 - as every tool
    value = calculate(arguments["expression"])
    # Beyond 2^53 a reader of JSON may take a whole number for a float.
    exact = isinstance(value, int) and abs(value) >= 2**53
    return {"value": str(value) if exact else value}


CALCULATOR: Final = Tool(
    name="calculator",
    description="Computes an arithmetic expression exactly, for example (3 + 4) * sqrt(2) ** 3.",
    parameters=parameters(
        expression=string("What to compute", longest=LONGEST), required=("expression",)
    ),
    call=_call,
)
