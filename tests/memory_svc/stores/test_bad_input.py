"""FAULTS.md rows 30 and 31: typed errors, or taken to the letter; nothing else changes."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pepperpy_memory_svc.stores.rows import Turn
from pepperpy_memory_svc.stores.values import MAX_CHARACTERS, MAX_IDS, MAX_LEXEME
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import Condition, Contains, Eq, Link
from tests.memory_svc.stores.making import NOW, Filled, entry

ATTACKS = [
    "' OR 1=1 --",
    "'; DROP TABLE entry; --",
    "$1",
    "{where}",
    "%s %(a)s {0.__class__}",
    "a & b | !c <-> d",
    "@tag:{x}|*",
    "$.a ? (@ == 1)",
    "%_\\",
    '"quoted"',
    "\u202e\u200b\U000e0041",
    "\r\nSELECT",
]


@pytest.mark.parametrize("text", ATTACKS)
async def test_sql_in_every_field_is_taken_to_the_letter(memory: Filled, text: str) -> None:
    await memory.put(entry("other"), [0, 1, 0, 0], ["word"])
    one = entry(
        "a",
        text=text,
        session=text,
        agent=text,
        lang=text,
        source=text,
        by=text,
        metadata={text: text, "k": [text]},
        links=[Link(to="b", kind=text)],
        scope="session",
    )
    put = await memory.put(one, [1, 0, 0, 0], [text])
    assert (await memory.store.get("ours", ["a"], now=NOW))["a"] == put
    found = await memory.find(lexemes=[text])
    assert [each.id for each in found.words] == ["a"]
    own = ("text", "session", "agent", "lang", "source", "by")
    conditions: list[Condition] = [Eq(name, text) for name in own]
    for where in [*conditions, Contains("text", text), Contains("metadata.k", text)]:
        assert [each.id for each in await memory.store.scan("ours", now=NOW, where=where)] == ["a"]
    (beside,) = await memory.store.neighbours("ours", [Turn(text, 1)], before=1, after=1, now=NOW)
    assert beside == put
    for unknown in (text, f"metadata.{text}.x", f"x{text}"):
        assert await memory.store.get("ours", [unknown], now=NOW) == {}
        assert await memory.store.delete("ours", [unknown], now=NOW) == []
        assert await memory.store.history("ours", unknown, now=NOW) == []
        with pytest.raises(BadPayload, match="after"):
            await memory.store.scan("ours", now=NOW, after=unknown)


async def test_a_namespace_of_any_text_is_a_namespace(memory: Filled) -> None:
    for name in ATTACKS:
        await memory.put(entry("a", namespace=name), [1, 0, 0, 0], ["word"])
    for name in ATTACKS:
        found = await memory.find([1, 0, 0, 0], ["word"], namespace=name)
        assert [each.namespace for each in found.entries.values()] == [name]


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ([1.0] * 3, "it has 3 numbers"),
        ([1.0] * 65_000, "it has 65000 numbers"),
        ([], "it has 0 numbers"),
        ([float("nan"), 0, 0, 0], "not finite"),
        ([float("inf"), 0, 0, 0], "not finite"),
        ([1e308] * 4, "not finite"),
        ([0.0] * 4, "all of its numbers are 0"),
    ],
)
async def test_a_vector_without_a_direction_is_refused(
    memory: Filled, vector: list[float], said: str
) -> None:
    put = await memory.put(entry("b"))
    with pytest.raises(BadPayload, match=said):
        await memory.put(entry("a"), vector)
    with pytest.raises(BadPayload, match=said):
        await memory.find(vector)
    one = {"namespace": "ours", "id": "b", "version": put.version, "vector": vector}
    with pytest.raises(BadPayload, match=said):
        await memory.store.fill(memory.embedding, [_filling(one)])
    assert await memory.store.get("ours", ["a"], now=NOW) == {}


def _filling(fields: dict[str, Any]) -> Any:
    from pepperpy_memory_svc.stores.rows import Filling

    return Filling(**fields)


DEEP: list[Any] = []
for _ in range(100):
    DEEP = [DEEP]

BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"id": ""}, "id"),
    ({"id": "a" * 65}, "id"),
    ({"id": "a.b"}, "id"),
    ({"id": "a\n"}, "id"),
    ({"text": ""}, "text"),
    ({"text": "a" * (MAX_CHARACTERS + 1)}, "text"),
    ({"text": "a\x00b"}, "text"),
    ({"text": "\ud83d"}, "text"),
    ({"session": "a" * 257}, "session"),
    ({"agent": "\x00"}, "agent"),
    ({"by": "\udfff"}, "by"),
    ({"source": "\x00"}, "source"),
    ({"lang": "\x00"}, "lang"),
    ({"links": [Link(to="a", kind="\x00")]}, "links[0].kind"),
    ({"links": [Link(to="a"), Link(to="a" * 65)]}, "links[1].to"),
    ({"metadata": {"a": {"b": ["\x00"]}}}, "metadata.a.b[0]"),
    ({"metadata": {"a\x00": 1}}, "metadata.'a\\x00'"),
    ({"metadata": {"a": float("nan")}}, "metadata.a"),
    ({"metadata": {"a": 2**63}}, "metadata.a"),
    ({"metadata": {"a": {1: 2}}}, "metadata.a"),
    ({"metadata": {"a": {1, 2}}}, "metadata.a"),
    ({"metadata": {"a": DEEP}}, "metadata.a" + "[0]" * 32),
    ({"importance": float("nan")}, "importance"),
    ({"ttl": float("inf")}, "ttl"),
    ({"seq": -1}, "seq"),
    ({"seq": 2**63}, "seq"),
    ({"at": datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001 - that is what is refused
    ({"expires": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))}, "expires"),
]


async def test_what_cannot_be_stored_is_refused_with_its_place(memory: Filled) -> None:
    for fields, path in BAD_FIELDS:
        rows = [memory.row(entry("good")), memory.row(entry(**fields))]
        with pytest.raises(BadPayload) as caught:
            await memory.store.put("ours", rows, now=NOW)
        assert caught.value.context["path"] == path
    assert await memory.store.scan("ours", now=NOW) == []


async def test_the_longest_text_is_stored(memory: Filled) -> None:
    put = await memory.put(entry(text="é" * MAX_CHARACTERS), [1, 0, 0, 0], ["w"] * 100_000)
    assert (await memory.store.get("ours", ["a"], now=NOW))["a"] == put


async def test_the_same_id_twice_in_a_call_is_refused(memory: Filled) -> None:
    with pytest.raises(BadPayload, match="twice"):
        await memory.store.put("ours", [memory.row(entry()), memory.row(entry())], now=NOW)


async def test_calls_for_too_many_are_refused(memory: Filled) -> None:
    many = [str(number) for number in range(MAX_IDS + 1)]
    for call in (
        memory.store.get("ours", many, now=NOW),
        memory.store.scan("ours", now=NOW, limit=10**9),
        memory.store.scan("ours", now=NOW, limit=-1),
        memory.store.neighbours("ours", [Turn("s", 1)] * (MAX_IDS + 1), before=0, after=0, now=NOW),
    ):
        with pytest.raises(BadPayload):
            await call


async def test_lexemes_are_cut_alike_in_entries_and_questions(memory: Filled) -> None:
    await memory.put(entry("a"), None, ["x" * 100_000, "a\x00b", "\ud800"])
    for lexeme in ("x" * MAX_LEXEME, "x" * 10**6, "a\x00b", "ab"):
        assert len((await memory.find(lexemes=[lexeme])).words) == 1
