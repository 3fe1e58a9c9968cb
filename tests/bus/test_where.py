import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.where import MAX_DEPTH, MAX_LENGTH, BadWhere, compile_where

EVENT: Mapping[str, Any] = {
    "entity": "task",
    "scope": "triage",
    "attempt": 2,
    "data": {
        "code": "timeout",
        "usd": 0.75,
        "tags": ["a", "urgent"],
        "ok": True,
        "class": "x",
        "contains": "contains",
        "nested": {"a b": [1, 2, {"deep": -3}]},
        "none": None,
        "text": "the word contains is here",
    },
}

TRUE = [
    "data.code == 'timeout'",
    'data.code=="timeout"',
    "attempt>1",
    "attempt >= 2 and attempt <= 2",
    "1 < attempt < 3",
    "data.usd >= 0.5 and not scope == 'x'",
    "data.tags contains 'a'",
    "data.tags contains'a'",
    "'urgent' in data.tags",
    "'z' not in data.tags",
    "not (data.tags contains 'z')",
    "data.text contains 'word'",
    "data.text == 'the word contains is here'",
    "data.contains == 'contains'",
    "data contains 'code'",
    "scope in ['triage', 'digest']",
    "scope in ('triage', data.code)",
    "scope in {'triage'}",
    "data['class'] == 'x'",
    "data.nested['a b'][2].deep == -3",
    "data.nested['a b'][-1].deep < 0",
    "data.ok",
    "data.ok == true",
    "data.missing == null",
    "data.none == None",
    "data.missing.below.that == None",
    "data.missing != 3",
    "data.code[0] == None",
    "data.tags[9] == None",
    "(attempt == 1 or attempt == 2) and entity == 'task'",
    "  attempt == 2  ",
    "data.nested contains 'a b'",
]
FALSE = [
    "attempt > 2",
    "data.missing > 0",
    "data.missing < 0",
    "0 > data.missing",
    "data.missing in ['a']",
    "data.missing not in ['a']",
    "'a' in data.missing",
    "'a' not in data.missing",
    "data.missing contains 'a'",
    "data.code > 3",
    "data.nested < data.tags",
    "3 in data.code",
    "3 in data",
    "3 in attempt",
    "data.missing",
    "not data.ok",
    "1 < attempt < 2",
    "data.code == 'timeout' and false",
]


@pytest.mark.parametrize("text", TRUE)
def test_an_expression_matches(text: str) -> None:
    assert compile_where(text)(EVENT) is True


@pytest.mark.parametrize("text", FALSE)
def test_an_expression_does_not_match(text: str) -> None:
    assert compile_where(text)(EVENT) is False


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "cannot be read"),
        ("data.code = 'x'", 11, "compare with == instead of ="),
        ("a && b", 4, "join with `and`, `or`"),
        ("a is None", 3, "use == or !="),
        ("a contains not b", 1, "not (a contains b)"),
        ("f(x)", 1, "functions cannot be called"),
        ("attempt > 1 and __import__('os').system('true')", 17, "functions cannot be called"),
        ("  é == f(1)", 8, "functions cannot be called"),
        ("a + 1 > 2", 1, "cannot be computed"),
        ("a == b'x'", 6, "a text begins with its quote"),
        ("f'{a}' == a", 1, "a text begins with its quote"),
        ("a == ...", 6, "a value is a text, a number"),
        ("lambda: 1", 1, "lambda is not part"),
        ("[x for x in y]", 1, "listcomp is not part"),
        ("a[1:2] == 3", 3, "a field is named by"),
        ("a[true] == 3", 3, "a field is named by"),
        ("a[True] == 3", 3, "a field is named by"),
        ("a[-b] == 3", 3, "a field is named by"),
        ("-a > 1", 1, "unaryop is not part"),
        ("a == 'open", 6, "unterminated"),
        ("a\0", 1, "cannot be read"),
        ("\ud800", 1, "cannot be read"),
        ("a" + ".b" * (MAX_DEPTH + 1), 1, "nested deeper"),
        ("a == 1 or " * 200, 1, f"{MAX_LENGTH} are allowed"),
        ("(" * 500, 201, "too many nested"),
        ("not " * 240 + "a", 165, "nested deeper"),
    ],
)
def test_a_wrong_expression_names_the_column_and_the_fix(
    text: str, column: int, words: str
) -> None:
    with pytest.raises(BadWhere) as refused:
        compile_where(text)
    error = refused.value
    assert error.code == "bad_payload"
    assert error.context["column"] == column
    assert f"column {column}: " in error.message
    assert words in error.message + error.hint
    assert error.hint


def test_a_field_may_hold_what_python_cannot_compare() -> None:
    odd = {"a": math.nan, "b": {"c": [{}]}, "d": 10**400}
    assert not compile_where("a == a or a > 1")(odd)
    assert compile_where("d > 1.5 and b.c == [b.c[0]]")(odd)


WORDS = st.sampled_from(
    [
        *"abc.()[]{}'\",:=<>!+-*/@#\\ \t\n\0é",
        *("data", "in", "not", "and", "or", "is", "contains", "==", ">=", "None", "true", "'x'"),
        *(
            "lambda",
            "await",
            "yield",
            "if",
            "else",
            "for",
            ":=",
            "**",
            "1",
            "1.5",
            "9" * 99,
            "b'x'",
        ),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.sampled_from(["a", "b", "c", "data"]), VALUES)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=30).map(" ".join)), FIELDS)
def test_any_text_is_a_predicate_or_our_error(text: str, fields: dict[str, Any]) -> None:
    try:
        matches = compile_where(text)
    except BadWhere:
        return
    assert matches(fields) in (True, False)


OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"])
OPERANDS = st.sampled_from(["a", "b.c", "data['x']", "c[0]", "1", "'x'", "null", "[a, 1]", "-2.5"])
COMPARISONS = st.tuples(OPERANDS, OPERATORS, OPERANDS).map(" ".join)
EXPRESSIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        inner.map("not ({})".format), st.tuples(inner, inner).map("({0[0]}) or {0[1]}".format)
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, FIELDS)
def test_a_good_expression_is_true_or_false_of_any_fields(
    text: str, fields: dict[str, Any]
) -> None:
    assert compile_where(text)(fields) in (True, False)
