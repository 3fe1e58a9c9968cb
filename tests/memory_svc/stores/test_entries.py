from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
import pytest

from pepperpy_memory_svc.stores.rows import Row, Turn
from pepperpy_memory_svc.stores.store import KEPT_VERSIONS
from pepperpy_memory_svc.stores.writing import MAX_BROUGHT
from pepperpy_schemas.errors import Conflict
from pepperpy_schemas.memory import Contains, Entry, Eq, Link
from tests.memory_svc.stores.making import NOW, Filled, after, entry, row


async def test_an_entry_comes_back_as_it_was_put(memory: Filled) -> None:
    whole = entry(
        text="Grüße, 世界 🌶 ' OR 1=1 --",
        scope="session",
        session="s",
        agent="writer",
        term="short",
        lang="de",
        importance=0.30000000000000004,
        metadata={
            "n": 1.0,
            "big": 2**62,
            "list": [1, "a", None, {"b": []}],
            "é.x": "\u202e",
            "t": True,
        },
        links=[Link(to="b", kind="answers")],
        source="file:///a",
        trusted=True,
        by="anna",
        at=after(-5.000001),
        expires=after(9.5),
        ttl=60.5,
    )
    put = await memory.put(whole)
    assert put.seq == 1
    assert put.version == 1
    back = (await memory.store.get("ours", ["a"], now=NOW))["a"]
    assert back == put
    assert isinstance(back.metadata["n"], float)
    assert {
        name for name in Entry.__struct_fields__ if getattr(put, name) != getattr(whole, name)
    } == {"seq"}


async def test_what_is_not_there_is_left_out(memory: Filled) -> None:
    await memory.put(entry("a"))
    assert set(await memory.store.get("ours", ["a", "b", "no id!", "a"], now=NOW)) == {"a"}
    assert await memory.store.get("ours", [], now=NOW) == {}
    assert await memory.store.put("ours", [], now=NOW) == []


async def test_an_entry_put_again_is_its_next_version(memory: Filled) -> None:
    await memory.put(entry(text="one", session="s"))
    put = await memory.put(entry(text="two", session="s", created=after(5), updated=after(5)))
    assert (put.version, put.created, put.seq, put.text) == (2, NOW, 1, "two")
    past = await memory.store.history("ours", "a", now=NOW)
    assert [(each.entry.text, each.entry.version, each.until) for each in past] == [
        ("one", 1, after(5))
    ]


async def test_only_the_latest_of_many_versions_are_kept(memory: Filled) -> None:
    for number in range(KEPT_VERSIONS + 3):
        await memory.put(entry(text=f"text {number}"))
    past = await memory.store.history("ours", "a", now=NOW)
    assert [each.entry.version for each in past] == list(range(KEPT_VERSIONS + 2, 2, -1))
    assert await memory.store.history("ours", "b", now=NOW) == []


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_another_version_than_expected_changes_nothing(memory: Filled, expected: int) -> None:
    await memory.put(entry())
    await memory.put(entry(text="two"))
    rows = [
        memory.row(entry("new")),
        memory.row(entry(text="three"), expected=expected),
    ]
    with pytest.raises(Conflict) as caught:
        await memory.store.put("ours", rows, now=NOW)
    assert caught.value.context == {"id": "a", "version": 2, "expected": expected}
    there = await memory.store.get("ours", ["a", "new"], now=NOW)
    assert {id_: each.text for id_, each in there.items()} == {"a": "two"}


async def test_the_expected_version_is_replaced(memory: Filled) -> None:
    await memory.put(entry(), expected=0)
    assert (await memory.put(entry(), expected=1)).version == 2


async def test_turns_are_numbered_in_their_conversation(memory: Filled) -> None:
    rows = [
        memory.row(entry(id_, session=session))
        for id_, session in zip("abcd", ["s", "s", "t", ""], strict=True)
    ]
    put = await memory.store.put("ours", rows, now=NOW)
    assert [each.seq for each in put] == [1, 2, 1, 0]
    assert (await memory.put(entry("e", session="s", seq=7))).seq == 7
    assert (await memory.put(entry("f", session="s"))).seq == 8
    # In another conversation it is another turn.
    assert (await memory.put(entry("a", session="t"))).seq == 2


async def test_deleted_entries_are_gone_with_their_history(memory: Filled) -> None:
    for id_ in "abc":
        await memory.put(entry(id_), [1, 0, 0, 0], ["word"])
        await memory.put(entry(id_), [1, 0, 0, 0], ["word"])
    assert await memory.store.delete("ours", ["c", "a", "x", "a"], now=NOW) == ["a", "c"]
    assert await memory.store.delete("ours", ["a"], now=NOW) == []
    assert await memory.store.delete("empty", ["a"], now=NOW) == []
    found = await memory.find([1, 0, 0, 0], ["word"])
    assert list(found.entries) == ["b"]
    await memory.put(entry("a"))
    assert await memory.store.history("ours", "a", now=NOW) == []


async def test_entries_are_deleted_by_a_condition_or_all(memory: Filled) -> None:
    for id_ in "abcd":
        await memory.put(entry(id_, metadata={"n": ord(id_)}))
    where = Eq("metadata.n", ord("b"))
    assert await memory.store.delete_where("ours", where, now=NOW) == 1
    assert [each.id for each in await memory.store.scan("ours", now=NOW)] == ["a", "c", "d"]
    assert await memory.store.delete_where("ours", None, now=NOW) == 3
    assert await memory.store.delete_where("empty", None, now=NOW) == 0


async def test_an_expired_entry_is_seen_by_nothing(memory: Filled) -> None:
    store = memory.store
    vector = [1.0, 0, 0, 0]
    await memory.put(entry("a", session="s", expires=after(10), ttl=10), vector, ["word"])
    await memory.put(entry("a", session="s", expires=after(10), ttl=10), vector, ["word"])
    last, then = after(9.999999), after(10)
    assert set((await memory.find(vector, ["word"], now=last)).entries) == {"a"}
    found = await memory.find(vector, ["word"], now=then)
    assert (found.vector, found.words, found.entries) == ([], [], {})
    assert await store.get("ours", ["a"], now=then) == {}
    assert await store.scan("ours", now=then) == []
    assert await store.history("ours", "a", now=then) == []
    assert await store.touch("ours", ["a"], now=then) == 0
    assert await store.delete("ours", ["a"], now=then) == []
    assert await store.delete_where("ours", None, now=then) == 0
    assert await store.vectors("ours", ["a"], embedding=memory.embedding, now=then) == {}
    assert await store.unfilled(memory.embedding, now=then) == []
    turns = [Turn("s", 1)]
    assert await store.neighbours("ours", turns, before=1, after=1, now=then) == []
    assert (await store.figures(["ours"], now=then))["ours"].expired == 1
    with pytest.raises(Conflict):
        await memory.put(entry("a"), expected=2, now=then)


async def test_in_the_place_of_an_expired_entry_comes_a_new_one(memory: Filled) -> None:
    await memory.put(entry("a", expires=after(10)))
    await memory.put(entry("a", expires=after(10)))
    later = after(20)
    put = await memory.put(entry("a", created=later, updated=later), expected=0, now=later)
    assert (put.version, put.created) == (3, later)
    assert await memory.store.history("ours", "a", now=later) == []


async def _deleted(memory: Filled, now: datetime) -> None:
    assert await memory.store.delete("ours", ["a"], now=now) == ["a"]


async def _deleted_by_condition(memory: Filled, now: datetime) -> None:
    assert await memory.store.delete_where("ours", Eq("id", "a"), now=now) == 1


async def _expired(memory: Filled, now: datetime) -> None:
    assert await memory.store.get("ours", ["a"], now=now + LIFE) == {}


async def _purged(memory: Filled, now: datetime) -> None:
    assert await memory.store.purge(now=now + LIFE) == 1


LIFE = timedelta(seconds=10)
END = pytest.mark.parametrize("end", [_deleted, _deleted_by_condition, _expired, _purged])
"""Whatever may become of an entry."""


@END
async def test_no_version_is_given_to_two_entries(
    memory: Filled, end: Callable[[Filled, datetime], Awaitable[None]]
) -> None:
    versions, now = [], NOW
    for number in range(3):
        mortal = entry("a", created=now, updated=now, expires=now + LIFE)
        for expected in (0, None, None)[: number + 1]:
            versions.append((await memory.put(mortal, expected=expected, now=now)).version)
        await end(memory, now)
        now += LIFE
        await memory.put(entry(f"b{number}"), now=now)
    last = await memory.put(entry("a", created=now, updated=now), expected=0, now=now)
    versions.append(last.version)
    assert versions == sorted(set(versions))
    assert await memory.store.history("ours", "a", now=now) == []


@END
async def test_a_change_of_what_was_there_before_does_not_reach_what_came_after(
    memory: Filled, end: Callable[[Filled, datetime], Awaitable[None]]
) -> None:
    later = NOW + LIFE
    before = await memory.put(entry("a", text="old", expires=later), [1, 0, 0, 0], ["old"])
    await end(memory, NOW)
    again = await memory.put(entry("a", text="new"), [0, 1, 0, 0], ["new"], now=later)
    changed = msgspec.structs.replace(before, importance=1.0, expires=None)
    late = Row(entry=changed, vectors=None, lexemes=None, expected=before.version)
    with pytest.raises(Conflict):
        await memory.store.put("ours", [late], now=later)
    assert (await memory.store.get("ours", ["a"], now=later))["a"] == again
    assert (await memory.find([0, 1, 0, 0], ["new"], now=later)).entries == {"a": again}


async def test_what_was_removed_in_another_namespace_changes_no_version(memory: Filled) -> None:
    for _ in range(3):
        await memory.put(entry("a", namespace="theirs"))
    assert await memory.store.delete_where("theirs", None, now=NOW) == 1
    assert (await memory.put(entry("a"))).version == 1
    assert (await memory.put(entry("a", namespace="theirs"))).version == 4


async def test_an_exported_version_goes_on_where_nothing_is(memory: Filled) -> None:
    brought = entry("a", version=7)
    assert (await memory.put(brought, expected=0)).version == 7
    assert (await memory.put(brought)).version == 8
    (past,) = await memory.store.history("ours", "a", now=NOW)
    assert past.entry.version == 7
    await memory.store.delete("ours", ["a"], now=NOW)
    assert (await memory.put(brought)).version == 9
    huge = await memory.put(entry("b", version=2**52))
    assert huge.version == MAX_BROUGHT
    assert (await memory.put(huge)).version == MAX_BROUGHT + 1


async def test_touching_begins_the_time_anew(memory: Filled) -> None:
    await memory.put(entry("a", expires=after(10), ttl=10), [1, 0, 0, 0], ["word"])
    await memory.put(entry("b", expires=after(10)))
    assert await memory.store.touch("ours", ["a", "b", "c"], now=after(7)) == 1
    assert set(await memory.store.get("ours", ["a", "b"], now=after(12))) == {"a"}
    there = (await memory.store.get("ours", ["a"], now=after(12)))["a"]
    assert (there.expires, there.version) == (after(17), 1)
    assert (await memory.find([1, 0, 0, 0], now=after(12))).entries == {"a": there}


async def test_touching_never_leaves_the_calendar(memory: Filled) -> None:
    late = NOW.replace(year=9998)
    await memory.put(entry("a", expires=late + timedelta(days=1), ttl=1e10))
    assert await memory.store.touch("ours", ["a"], now=late) == 1
    assert (await memory.store.get("ours", ["a"], now=late))["a"].expires.year == 9999  # type: ignore[union-attr]  # it has one


async def test_all_entries_are_read_page_by_page(memory: Filled) -> None:
    ids = ["-", "0", "A", "Z", "_", "a", "z", "aa"]
    rows = [memory.row(entry(id_, metadata={"n": len(id_)})) for id_ in ids]
    await memory.store.put("ours", rows, now=NOW)
    read: list[str] = []
    while page := await memory.store.scan(
        "ours", now=NOW, after=read[-1] if read else "", limit=3, where=Eq("metadata.n", 1)
    ):
        assert len(page) <= 3
        read += [each.id for each in page]
    assert read == ["-", "0", "A", "Z", "_", "a", "z"]


async def test_neighbours_stand_beside_a_turn(memory: Filled) -> None:
    rows = [memory.row(entry(f"s{n}", session="s", seq=n)) for n in (1, 2, 3, 5, 6)]
    rows += [memory.row(entry("t2", session="t", seq=2)), memory.row(entry("none"))]
    await memory.store.put("ours", rows, now=NOW)
    turns = [Turn("s", 2), Turn("s", 3), Turn("t", 1), Turn("", 0), Turn("x", 1)]
    found = await memory.store.neighbours("ours", turns, before=1, after=2, now=NOW)
    assert [each.id for each in found] == ["s1", "s2", "s3", "s5", "t2"]
    few = await memory.store.neighbours(
        "ours", turns, before=1, after=2, now=NOW, where=Contains("id", "3")
    )
    assert [each.id for each in few] == ["s3"]


async def test_figures_count_what_is_there(memory: Filled) -> None:
    await memory.put(entry("a", text="one", lang="de", session="s", scope="session"))
    await memory.put(entry("b", text="seven", lang="de", session="s", term="short"))
    await memory.put(entry("c", text="xx", expires=after(1)))
    figures = await memory.store.figures(["ours", "empty"], now=after(1))
    ours = figures["ours"]
    assert (ours.entries, ours.expired, ours.characters, ours.sessions) == (2, 1, 8, 1)
    assert (ours.langs, ours.terms) == ({"de": 2}, {"long": 1, "short": 1})
    assert ours.scopes == {"session": 1, "global": 1}
    assert figures["empty"].entries == 0


async def test_purging_removes_what_is_expired_in_all_namespaces(memory: Filled) -> None:
    for namespace in ("ours", "theirs"):
        for number in range(3):
            one = entry(str(number), namespace=namespace, expires=after(number))
            await memory.put(one, [1, 0, 0, 0], ["word"])
    assert await memory.store.purge(now=after(1), limit=3) == 3
    assert await memory.store.purge(now=after(1)) == 1
    assert await memory.store.purge(now=after(1)) == 0
    figures = await memory.store.figures(["ours"], now=after(1))
    assert (figures["ours"].entries, figures["ours"].expired) == (1, 0)
    assert [each.id for each in (await memory.find(lexemes=["word"], now=after(1))).words] == ["2"]


async def test_what_makes_an_entry_findable_stays_with_its_text(memory: Filled) -> None:
    vector = [0.0, 1, 0, 0]
    await memory.put(entry("a", text="same"), vector, ["word"])
    kept = row(entry("a", text="same", importance=1.0), vectors=None, lexemes=None)
    await memory.store.put("ours", [kept], now=NOW)
    found = await memory.find(vector, ["word"])
    assert [each.id for each in found.vector] == [each.id for each in found.words] == ["a"]
    assert found.entries["a"].importance == 1.0
    other = row(entry("a", text="other"), vectors=None, lexemes=None)
    await memory.store.put("ours", [other], now=NOW)
    assert (await memory.find(vector, ["word"])).entries == {}
    missing = await memory.store.unfilled(memory.embedding, now=NOW)
    assert [each.id for each in missing] == ["a"]
    fresh_one = Row(entry=entry("b"), vectors=None, lexemes=None)
    await memory.store.put("ours", [fresh_one], now=NOW)
    assert len(await memory.store.unfilled(memory.analyser, now=NOW)) == 2


async def test_it_is_alive(memory: Filled) -> None:
    await memory.store.ping()
