"""What conditions become as queries: made of hashes and numbers alone, and nothing is missed."""

import math
import re
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.redis import RedisStore, facts, writing
from pepperpy_memory_svc.stores.redis.entries import instant_of, micros
from pepperpy_memory_svc.stores.redis.filtering import ALL, query_of
from pepperpy_memory_svc.stores.rows import Turn
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
)
from tests.memory_svc.stores.making import NOW, after, entry, filled, fresh

NASTY = st.text(st.sampled_from(string.punctuation + " \t\n*é\u202e"), min_size=1, max_size=12)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
HARMLESS = re.compile(
    r"(@facts:\{[0-9a-z|]+\}|@[a-z]+:\[(-inf|-?\d+\.\d+) (\+inf|-?\d+\.\d+)\]|[()| ])*"
)


@given(field=st.sampled_from(["agent", "metadata.k", "links", "seq", "id"]), value=NASTY)
def test_nothing_that_a_caller_writes_is_in_a_query(field: str, value: str) -> None:
    for one in (Eq(field, value), In(field, [value, 1]), Contains(field, value)):
        for where in (one, AnyOf([one, one]), AllOf([one, Exists("metadata." + "k")])):
            assert HARMLESS.fullmatch(query_of(where))


@given(value=NUMBERS, other=NUMBERS)
def test_a_number_has_a_fact_of_every_range_that_it_lies_in(value: float, other: float) -> None:
    found = set(facts.facts_of(entry(metadata={"n": value})).split(","))
    keys = ("metadata", "n")
    low, high = min(value, other), max(value, other)
    for bounds in ((low, high), (-math.inf, high), (low, math.inf), (value, value)):
        assert found & set(facts.between(keys, *bounds))


def test_a_range_is_told_from_others() -> None:
    found = set(facts.facts_of(entry(metadata={"n": 1000})).split(","))
    for low, high in ((-math.inf, 990.0), (1010.0, math.inf), (-1000.0, -1000.0), (0.0, 1.0)):
        assert not found & set(facts.between(("metadata", "n"), low, high))


def test_what_the_index_cannot_say_finds_all() -> None:
    for where in (
        None,
        Not(Eq("agent", "a")),
        Eq("metadata.a", None),
        Eq("ttl", 5),
        Contains("text", "a"),
        AnyOf([Eq("agent", "a"), Not(Eq("agent", "b"))]),
        AllOf([]),
    ):
        assert query_of(where) == ALL
    assert query_of(AnyOf([])) == query_of(In("metadata.a", [])) == "@facts:{none}"


async def test_an_entry_of_very_many_values_is_found_by_each(redis: str) -> None:
    async with RedisStore(f"{redis}?prefix={fresh()}:") as store:
        memory = await filled(store)
        values = {f"k{n}": n for n in range(2000)}
        await memory.put(entry("a", metadata=values), [1, 0, 0, 0])
        await memory.put(entry("b"), [1, 0, 0, 0])
        for where in (Eq("metadata.k1999", 1999), Range("metadata.k7", gt=6.5, lt=7.5)):
            assert list((await memory.find([1, 0, 0, 0], where=where)).entries) == ["a"]
            assert await store.delete_where("ours", AllOf([where, Eq("id", "b")]), now=NOW) == 0


@pytest.mark.parametrize(
    ("where", "left"), [(None, 0), (Eq("session", ""), 0), (Not(Eq("metadata.n", 3)), 1)]
)
async def test_more_than_the_index_names_at_a_time_are_deleted(
    redis: str, monkeypatch: pytest.MonkeyPatch, where: Condition | None, left: int
) -> None:
    monkeypatch.setattr(writing, "_FOUND", 4)
    monkeypatch.setattr(writing, "_REMOVED", 3)
    async with RedisStore(f"{redis}?prefix={fresh()}:") as store:
        memory = await filled(store)
        rows = [memory.row(entry(f"e{n}", metadata={"n": n})) for n in range(11)]
        await store.put("ours", rows, now=NOW)
        assert await store.delete_where("ours", where, now=NOW) == 11 - left
        assert len(await store.scan("ours", now=NOW)) == left


@pytest.mark.parametrize("number", [5e-324, -0.0, 1e308, -1e308, 1e-10, 0.1 + 0.2])
async def test_numbers_at_the_edge_are_found(redis: str, number: float) -> None:
    async with RedisStore(f"{redis}?prefix={fresh()}:") as store:
        memory = await filled(store)
        share = number if 0 <= number <= 1 else 0.5
        await memory.put(entry("a", importance=share, metadata={"n": number}), [1, 0, 0, 0])
        for field, value in (("importance", share), ("metadata.n", number)):
            for where in (Eq(field, value), Range(field, gte=value, lte=value)):
                assert list((await memory.find([1, 0, 0, 0], where=where)).entries) == ["a"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=NASTY, other=NASTY)
async def test_search_syntax_in_every_field_is_taken_to_the_letter(
    redis: str, text: str, other: str
) -> None:
    async with RedisStore(f"{redis}?prefix={fresh()}:") as store:
        memory = await filled(store)
        fields: dict[str, Any] = {
            **dict.fromkeys(("text", "session", "agent", "lang", "source", "by"), text),
            "metadata": {text: {text: text}, "k": [text], "s": text},
            "links": [Link(to="b", kind=text)],
        }
        put = await memory.put(entry("a", namespace=text, **fields), [1, 0, 0, 0], [text])
        await memory.put(entry("b", namespace=text, text="x"), [1, 0, 0, 0], ["other"])
        names = ("text", "session", "agent", "lang", "source", "by", "metadata.s")
        wheres: list[Condition] = [Eq(name, value) for name in names for value in (text, other)]
        wheres += [
            Contains("metadata.k", text),
            Contains("metadata.s", other),
            Exists("metadata.k"),
        ]
        for where in wheres:
            fits = compile_condition(where)
            found = await memory.find([1, 0, 0, 0], [text], where=where, namespace=text)
            assert found.entries.get("a") == (put if fits(put) else None)
        (beside,) = await store.neighbours(text, [Turn(text, 1)], before=0, after=0, now=NOW)
        assert beside == put
        assert (await store.figures([text], now=NOW))[text].langs == {text: 1, "": 1}
        assert await store.delete_where(text, Eq("agent", text), now=NOW) == 1


def test_times_are_whole_microseconds_over_the_whole_calendar() -> None:
    for time in (NOW, after(0.000001), NOW.replace(year=1), NOW.replace(year=9999)):
        assert instant_of(str(micros(time))) == time
