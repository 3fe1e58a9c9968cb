"""What conditions mean, as a table; every store has to give the same answers."""

from typing import Any

import pytest

from pepperpy_memory_svc.stores.checking import MAX_DEPTH, MAX_PARTS
from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Eq,
    Exists,
    In,
    Link,
    Not,
    Range,
    Scalar,
)
from tests.memory_svc.stores.making import NOW, Filled, after, entry

ONE = entry(
    "one",
    text="50% of x_y\\z and 'quotes'",
    session="s",
    seq=3,
    lang="de",
    importance=0.1,
    trusted=True,
    links=[Link(to="b")],
    expires=after(60),
    ttl=60,
    metadata={
        "n": 1,
        "f": 0.1,
        "big": 2**60 + 1,
        "s": "text",
        "z": "",
        "t": True,
        "null": None,
        "list": [1, "a", None, False, ["in"], {"k": 1}],
        "o": {"p": {"q": 5}, "0": "zero"},
        "wide": 1e23,
        "u": "ÿ",
    },
)

TABLE: list[tuple[Condition, bool]] = [
    # Its own fields.
    (Eq("id", "one"), True),
    (Eq("id", "ONE"), False),
    (Eq("id", 1), False),
    (Eq("namespace", "ours"), True),
    (Eq("namespace", "theirs"), False),
    (In("namespace", ["theirs", "ours"]), True),
    (Range("namespace", gte="o", lt="p"), True),
    (Contains("namespace", "ur"), True),
    (Exists("namespace"), True),
    (Eq("agent", ""), True),
    (Eq("agent", None), False),
    (Exists("agent"), True),
    (Eq("seq", 3), True),
    (Eq("seq", 3.0), True),
    (Eq("seq", "3"), False),
    (Eq("seq", True), False),
    (In("seq", ["3", None, 2.5, 3]), True),
    (In("seq", []), False),
    (In("seq", [None]), False),
    (Range("seq", gt=2.5, lt=3.5), True),
    (Range("seq", gt=3), False),
    (Range("seq", gte="1"), False),
    (Contains("seq", 3), False),
    (Contains("seq", "3"), False),
    (Eq("importance", 0.1), True),
    (Range("importance", lte=0.1), True),
    (Range("importance", lt=0.1), False),
    (Eq("trusted", True), True),
    (Eq("trusted", 1), False),
    (Eq("trusted", "true"), False),
    (Range("trusted", gte=0), False),
    (Contains("trusted", True), False),
    (Eq("version", 1), True),
    (Eq("ttl", 60), True),
    (Range("ttl", gt=59.9, lte=60), True),
    (Eq("ttl", None), False),
    (Exists("ttl"), True),
    (Contains("text", "50%"), True),
    (Contains("text", "x_y\\z"), True),
    (Contains("text", "xxy"), False),
    (Contains("text", "%"), True),
    (Contains("text", ""), True),
    (Contains("text", "TEXT"), False),
    (Contains("text", "'quotes'"), True),
    (Contains("text", None), False),
    (Contains("text", 50), False),
    (Contains("links", "b"), True),
    (Contains("links", "c"), False),
    (Contains("links", None), False),
    (Eq("links", "b"), False),
    (Eq("links", None), False),
    (Range("links", gte="a"), False),
    (Exists("links"), True),
    (Eq("at", "2026-03-01T12:00:00Z"), True),
    (Eq("at", "2026-03-01T14:00:00+02:00"), True),
    (Eq("at", None), False),
    (In("at", [None, "2026-03-01T13:00:00+01:00"]), True),
    (Range("at", gte="2026-03-01T12:00:00Z", lt="2026-03-01T12:00:00.000001Z"), True),
    (Range("at", gt="2026-03-01T12:00:00Z"), False),
    (Range("expires", gt="2026-03-01T12:00:59Z"), True),
    (Exists("expires"), True),
    (Contains("at", "2026"), False),
    # Values inside the metadata.
    (Eq("metadata.n", 1), True),
    (Eq("metadata.n", 1.0), True),
    (Eq("metadata.n", True), False),
    (Eq("metadata.n", "1"), False),
    (Eq("metadata.f", 0.1), True),
    (Eq("metadata.big", 2**60 + 1), True),
    (Eq("metadata.big", 2**60), False),
    (Eq("metadata.big", float(2**60)), False),
    (Range("metadata.big", gt=1.152921504606846e18, lt=1.152921504606847e18), True),
    (Eq("metadata.wide", 1e23), True),
    (Range("metadata.wide", gte=1e23), True),
    (Eq("metadata.s", "text"), True),
    (Eq("metadata.s", "' OR 1=1 --"), False),
    (Eq("metadata.z", ""), True),
    (Eq("metadata.t", True), True),
    (Eq("metadata.t", 1), False),
    (Eq("metadata.null", None), True),
    (Eq("metadata.none", None), True),
    (Eq("metadata.n", None), False),
    (In("metadata.n", [None, 2]), False),
    (In("metadata.none", [None, 2]), True),
    (In("metadata.n", ["1", True, 1.0]), True),
    (In("metadata.n", [float(n) for n in range(100)]), True),
    (In("metadata.none", [float(n) for n in range(100)]), False),
    (In("metadata.n", []), False),
    (Exists("metadata.null"), True),
    (Exists("metadata.none"), False),
    (Exists("metadata.o.p"), True),
    (Eq("metadata.o.p.q", 5), True),
    (Eq("metadata.o.p", 5), False),
    (Eq("metadata.o.p", None), False),
    (Eq("metadata.o.0", "zero"), True),
    (Exists("metadata.list.0"), False),
    (Exists("metadata.s.0"), False),
    (Exists("metadata.n.x.y"), False),
    (Eq("metadata.list", 1), False),
    (Contains("metadata.list", 1), True),
    (Contains("metadata.list", 1.0), True),
    (Contains("metadata.list", "a"), True),
    (Contains("metadata.list", None), True),
    (Contains("metadata.list", False), True),
    (Contains("metadata.list", True), False),
    (Contains("metadata.list", "in"), False),
    (Contains("metadata.list", "k"), False),
    (Contains("metadata.s", "ex"), True),
    (Contains("metadata.s", "x%"), False),
    (Contains("metadata.s", None), False),
    (Contains("metadata.n", 1), False),
    (Contains("metadata.o", "p"), False),
    (Contains("metadata.none", None), False),
    (Range("metadata.n", gte=1, lte=1), True),
    (Range("metadata.n", gt=0.999), True),
    (Range("metadata.n", gt="0"), False),
    (Range("metadata.s", gt=0), False),
    (Range("metadata.s", gt="T", lt="u"), True),
    (Range("metadata.u", gt="z"), True),
    (Range("metadata.s", lt="TEXT"), False),
    (Range("metadata.z", lt="a"), True),
    (Range("metadata.t", gte=0), False),
    (Range("metadata.null", lt="a"), False),
    (Range("metadata.none", lt=5), False),
    (Range("metadata.list", gt=0), False),
    # Put together.
    (AllOf([]), True),
    (AnyOf([]), False),
    (Not(AnyOf([])), True),
    (AllOf([Eq("seq", 3), Eq("lang", "de")]), True),
    (AllOf([Eq("seq", 3), Eq("lang", "en")]), False),
    (AnyOf([Eq("seq", 4), Eq("lang", "de")]), True),
    (Not(Eq("metadata.none", 1)), True),
    (Not(Range("metadata.none", gt=1)), True),
    (Not(Contains("metadata.s", "ex")), False),
    (Not(Eq("expires", "2026-03-01T12:00:00Z")), True),
    (Not(Not(Exists("metadata.n"))), True),
]


@pytest.mark.parametrize(("condition", "holds"), TABLE, ids=str)
def test_the_oracle_gives_the_table(condition: Condition, holds: bool) -> None:
    assert compile_condition(condition)(ONE) is holds


async def test_the_stores_give_the_table(memory: Filled) -> None:
    await memory.put(ONE)
    wrong = [
        condition
        for condition, holds in TABLE
        for where in (condition, Not(condition))
        if bool(await memory.store.scan("ours", now=NOW, where=where))
        is not (holds == (where is condition))
    ]
    assert wrong == []


async def test_fields_without_a_value_are_missing(memory: Filled) -> None:
    await memory.put(entry("bare"))
    for where in (
        Eq("ttl", None),
        Eq("expires", None),
        In("expires", [None]),
        Not(Exists("ttl")),
        Not(Range("ttl", gt=0)),
        Not(Range("expires", gt="2026-03-01T12:00:00Z")),
        Not(In("ttl", [1, 2])),
        Not(Eq("expires", "2026-03-01T12:00:00Z")),
        Not(Contains("links", "a")),
    ):
        assert compile_condition(where)(entry("bare"))
        assert [each.id for each in await memory.store.scan("ours", now=NOW, where=where)] == [
            "bare"
        ]


def nested(levels: int) -> Condition:
    one: Condition = Exists("id")
    for _ in range(levels):
        one = Not(one)
    return one


BAD: list[tuple[Any, str]] = [
    (Eq("nothing", 1), "where.field"),
    (Eq("metadata", 1), "where.field"),
    (Eq("metadata.", 1), "where.field"),
    (Eq("metadata.a..b", 1), "where.field"),
    (Eq("__class__", 1), "where.field"),
    (Eq("text) OR (1=1", 1), "where.field"),
    (Eq("metadata.a\x00", 1), "where.field"),
    (Eq("metadata." + ".".join("a" * 17), 1), "where.field"),
    (Eq("", 1), "where.field"),
    (Eq("id", "a\x00b"), "where.value"),
    (Eq("id", "\ud800"), "where.value"),
    (Eq("id", "a" * 10_001), "where.value"),
    (Eq("seq", float("nan")), "where.value"),
    (Eq("seq", float("inf")), "where.value"),
    (Eq("seq", 2**63), "where.value"),
    (Eq("metadata.a", [1]), "where.value"),  # type: ignore[arg-type]  # that is what is refused
    (Eq("at", "yesterday"), "where.value"),
    (Eq("at", "2026-03-01T12:00:00"), "where.value"),
    (Eq("at", "0001-01-01T00:00:00+14:00"), "where.value"),
    (Eq("at", 5), "where.value"),
    (In("at", ["2026-03-01T12:00:00Z", "x"]), "where.values[1]"),
    (Range("seq"), "where"),
    (Range("seq", gt=True), "where.gt"),
    (Range("seq", gt=1, lt="2"), "where"),
    (Range("expires", lte="soon"), "where.lte"),
    (Contains("text", "\x00"), "where.value"),
    (AllOf([Exists("id"), Not(Eq("x", 1))]), "where.of[1].of.field"),
    (nested(MAX_DEPTH), "where" + ".of" * MAX_DEPTH),
    (AnyOf([In("id", [str(n) for n in range(1000)])] * 4), "where"),
]


@pytest.mark.parametrize(("condition", "path"), BAD, ids=lambda each: str(each)[:60])
def test_a_condition_that_cannot_be_names_the_place(condition: Condition, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        compile_condition(condition)
    assert caught.value.context["path"] == path


async def test_the_stores_refuse_what_cannot_be(memory: Filled) -> None:
    await memory.put(entry("a"), [1, 0, 0, 0])
    for where, _ in BAD:
        for call in (
            memory.find([1, 0, 0, 0], where=where),
            memory.store.scan("ours", now=NOW, where=where),
            memory.store.delete_where("ours", where, now=NOW),
        ):
            with pytest.raises(BadPayload):
                await call
    assert len(await memory.store.scan("ours", now=NOW)) == 1


async def test_the_largest_condition_is_taken(memory: Filled) -> None:
    await memory.put(entry("a"))
    values: list[Scalar] = [str(n) for n in range(990)]
    others = [In("metadata.x", values), In("metadata.y", values)]
    where = AnyOf([*others, In("id", [*values, "a"]), nested(MAX_DEPTH - 2)])
    assert 1 + 3 * 991 + 1 + MAX_DEPTH - 1 <= MAX_PARTS
    assert len(await memory.store.scan("ours", now=NOW, where=where)) == 1


def test_no_condition_always_holds() -> None:
    assert compile_condition(None)(entry())
