"""The calculator: exact where it can be, and nothing but arithmetic."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_agents.tools.builtin.calculator import CALCULATOR, FUNCTIONS, calculate
from pepperpy_schemas.errors import BadArguments
from tests.agents.tools.builtin.calling import Caller

VALUES = {
    "1 + 2 * 3": 7,
    "(1 + 2) * 3": 9,
    "2 ** 10": 1024,
    "2 ** -1": 0.5,
    "-3 ** 2": -9,
    "7 // 2 + 7 % 2": 4,
    "1 / 8": 0.125,
    "0x10 + 0b11 + 1_000": 1019,
    "sqrt(2) ** 2": math.sqrt(2) ** 2,
    "max(1, 2.5, pi)": math.pi,
    "round(2.675, 2)": 2.67,
    "round(2.5)": 2,
    "factorial(20)": 2432902008176640000,
    "sin(pi / 2)": 1.0,
    " 1 +\t1 ": 2,
}


@pytest.mark.parametrize(("expression", "value"), VALUES.items())
def test_what_arithmetic_is_worth(expression: str, value: float) -> None:
    found = calculate(expression)
    assert found == value
    assert type(found) is type(value)


REFUSED = [
    "",
    "1 +",
    "x",
    "9 ** 9 ** 9 ** 9",
    "2 ** 5000",
    "10 ** 1000 * 10 ** 1000",
    "factorial(100000)",
    "factorial(2.5)",
    "1 << 100",
    "1 / 0",
    "1 % 0",
    "0.0 ** -1",
    "(-1) ** 0.5",
    "exp(1000)",
    "1e308 * 10",
    "1e999",
    "sqrt(-1)",
    "log(0)",
    "round(1, 10 ** 9)",
    "abs(1, 2)",
    "max()",
    "'a' * 1000000000",
    "[1] * 10",
    "True",
    "None",
    "1j",
    "__import__('os').system('id')",
    "().__class__",
    "abs.__self__",
    "(lambda: 1)()",
    "[x for x in (1,)]",
    "max(*[1, 2])",
    "round(number=1)",
    "1 if 1 else 2",
    "1 < 2",
    "f'{1}'",
    "(x := 1)",
    "1; 2",
    "\0",
    "(" * 200 + ")" * 200,
    "-" * 900 + "1",
    "1" + "+1" * 499,
    "9" * 1000 + "0",
    "9" * 5000,
]


@pytest.mark.parametrize("expression", REFUSED, ids=[text[:20] for text in REFUSED])
def test_what_is_none_is_refused(expression: str) -> None:
    with pytest.raises(BadArguments):
        calculate(expression)


@given(st.text(alphabet="0123456789+-*/%.() ,eabcfgilmnopqrstux_", max_size=60))
@settings(max_examples=500, deadline=1000)
def test_whatever_is_written_it_is_a_number_or_is_refused(expression: str) -> None:
    try:
        value = calculate(expression)
    except BadArguments:
        return
    assert math.isfinite(value)


@given(st.integers(), st.integers(), st.integers(-1000, 1000))
def test_whole_numbers_are_exact(a: int, b: int, c: int) -> None:
    assert calculate(f"({a}) * ({b}) - ({c})") == a * b - c


async def test_a_large_number_keeps_its_digits() -> None:
    call = Caller([CALCULATOR], [])
    assert await call("calculator", expression="2 ** 100") == {"value": str(2**100)}
    assert await call("calculator", expression="1 / 3") == {"value": 1 / 3}
    assert await call("calculator", expression="a") is None
    assert all(name in call.said for name in FUNCTIONS)
