"""Entries put, read, changed, linked and forgotten, over the bus."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pepperpy_bus.memory import Memory
from pepperpy_memory_svc.remembering.writing import MOST_BYTES
from pepperpy_schemas.catalog.memory import MEMORY_IMPORT
from pepperpy_schemas.errors import BadPayload, Conflict, NotFound, PepperError
from pepperpy_schemas.memory import Entry, Eq, Exists, Link, NewEntry
from pepperpy_schemas.memory_requests import ImportReply, ImportRequest
from tests.memory_svc.remembering.conftest import As, Clock, Serving


async def test_what_is_put_comes_back_with_who_put_it_and_when(ana: Memory, clock: Clock) -> None:
    put = await ana.put(
        "The parcel is at the neighbour's.",
        importance=0.8,
        metadata={"room": 2},
        source="mail/7",
        at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert (put.namespace, put.by, put.version, put.lang) == ("ana", "ana", 1, "de")
    assert (put.created, put.updated, put.expires, put.trusted) == (
        clock.now,
        clock.now,
        None,
        False,
    )
    assert put.at == datetime(2026, 1, 2, tzinfo=UTC)
    assert await ana.get(put.id) == put


async def test_entries_are_put_together_or_not_at_all(ana: Memory) -> None:
    with pytest.raises(BadPayload) as refused:
        await ana.put_many(["good", NewEntry(text="bad", scope="session", id="s")])
    assert refused.value.context["path"] == "$.entries[1].session"
    assert (await ana.stats()).namespaces[0].entries == 0
    entries = await ana.put_many(["one", {"text": "two", "id": "two"}, NewEntry(text="three")])
    assert [one.text for one in entries] == ["one", "two", "three"]
    assert entries[1].id == "two"


async def test_entries_of_a_conversation_are_numbered(ana: Memory) -> None:
    talk = ana.within(session="s1")
    numbers = [(await talk.put(text, scope="session")).seq for text in ("a", "b")]
    numbers += [one.seq for one in await talk.put_many(["c", "d"])]
    assert numbers == [1, 2, 3, 4]
    assert (await ana.put("alone")).seq == 0


async def test_an_entry_is_replaced_under_its_id_and_its_history_kept(
    ana: Memory, clock: Clock
) -> None:
    first = await ana.put("The parcel is lost.", id="parcel")
    clock.move(60)
    second = await ana.update("parcel", text="The parcel is found.", importance=1.0)
    assert (second.version, second.created, second.updated) == (2, first.created, clock.now)
    history = await ana.history("parcel")
    assert history.entry == second
    assert [(one.entry.text, one.until) for one in history.earlier] == [(first.text, clock.now)]


async def test_more_than_one_transaction_is_good_for_is_refused_and_the_bound_is_named(
    ana: Memory,
) -> None:
    texts = ["parcel " * 30_000] * 41
    with pytest.raises(BadPayload, match=f"{MOST_BYTES} are allowed in one request") as refused:
        await ana.put_many(texts)
    said = {"path": "$.entries", "size": 41 * (210_000 + len("{}")), "limit": MOST_BYTES}
    assert refused.value.context == said
    assert (await ana.stats()).namespaces[0].entries == 0
    one = await ana.put("parcel")
    many = [msgspec.structs.replace(one, id=f"e{n}", text=text) for n, text in enumerate(texts)]
    with pytest.raises(BadPayload, match="allowed in one request"):
        await ana._call(MEMORY_IMPORT, ImportRequest(many), ImportReply, "30s")


async def test_a_change_of_another_version_is_refused(ana: Memory) -> None:
    await ana.put("one", id="e")
    await ana.update("e", importance=0.9, expected=1)
    with pytest.raises(Conflict) as refused:
        await ana.update("e", importance=0.1, expected=1)
    assert refused.value.context["version"] == 2
    assert (await ana.get("e")).importance == 0.9


async def test_what_is_not_said_stays_as_it_is(ana: Memory) -> None:
    put = await ana.put("one", id="e", metadata={"a": 1}, source="s", trusted=True)
    changed = await ana.update("e", importance=0.9)
    kept = ("text", "metadata", "source", "trusted", "lang", "term", "expires", "at")
    assert all(getattr(changed, name) == getattr(put, name) for name in kept)
    assert [hit.entry.id for hit in (await ana.search("one")).hits] == ["e"]


async def test_a_changed_text_is_found_by_its_new_words(ana: Memory) -> None:
    await ana.put("the red balloon", id="e")
    await ana.update("e", text="the green bicycle")
    assert not (await ana.search("balloon", mode="text")).hits
    assert (await ana.search("bicycle", mode="text")).hits[0].entry.id == "e"


async def test_terms_have_times_of_their_own(ana: Memory, clock: Clock) -> None:
    short = await ana.put("short", term="short")
    medium = await ana.put("medium", term="medium")
    own = await ana.put("own", term="short", ttl=5.0)
    ends = [one.expires and (one.expires - clock.now) for one in (short, medium, own)]
    assert ends == [timedelta(hours=1), timedelta(days=30), timedelta(seconds=5)]
    longer = await ana.update(own.id, term="long")
    assert (longer.expires, longer.ttl) == (None, None)


async def test_nothing_shows_an_entry_from_the_moment_it_expires(ana: Memory, clock: Clock) -> None:
    entry = await ana.put("a secret word", ttl=10.0, session="s")
    clock.move(10)
    assert await ana.get_many([entry.id]) == []
    assert (await ana.search("secret")).hits == []
    assert [one async for one in ana.export()] == []
    for refused in (
        ana.history(entry.id),
        ana.update(entry.id, importance=1.0),
        ana.similar(entry.id),
        ana.get(entry.id),
        ana.link(entry.id, entry.id),
    ):
        with pytest.raises(NotFound):
            await refused
    assert await ana.delete(entry.id) == 0


async def test_reading_begins_the_time_of_a_refreshed_entry_anew(ana: Memory, clock: Clock) -> None:
    await ana.put("fresh", id="f", ttl=10.0, refresh=True)
    clock.move(9)
    assert (await ana.get("f", touch=False)).expires == clock.now + timedelta(seconds=1)
    assert (await ana.get("f")).expires == clock.now + timedelta(seconds=10)
    clock.move(9)
    await ana.search("fresh", touch=True)
    clock.move(9)
    assert (await ana.get("f")).text == "fresh"
    clock.move(10)
    assert await ana.get_many(["f"]) == []


async def test_an_entry_can_be_refreshed_from_now_on_or_no_longer(
    ana: Memory, clock: Clock
) -> None:
    await ana.put("e", id="e", ttl=10.0)
    with pytest.raises(BadPayload, match=r"\$\.ttl"):
        await ana.update("e", refresh=True)
    assert (await ana.update("e", refresh=True, ttl=10.0)).ttl == 10.0
    clock.move(5)
    renewed = await ana.update("e", importance=1.0)
    assert (renewed.ttl, renewed.expires) == (10.0, clock.now + timedelta(seconds=10))
    assert (await ana.update("e", refresh=True)).ttl == 10.0
    assert (await ana.update("e", ttl=20.0)).ttl == 20.0
    assert (await ana.update("e", refresh=False)).ttl is None


async def test_a_time_beyond_the_calendar_is_its_end(ana: Memory) -> None:
    entry = await ana.put("for long", ttl=1e10)
    assert entry.expires is not None
    assert (await ana.get(entry.id)).expires == entry.expires


async def test_links_are_made_once_and_taken_away(ana: Memory) -> None:
    await ana.put_many([{"text": "a", "id": "a"}, {"text": "b", "id": "b"}])
    linked = await ana.link("a", "b", kind="answers")
    assert linked.links == [Link("b", "answers")]
    assert (await ana.link("a", "b", kind="answers")).version == linked.version
    assert (await ana.link("a", "b", kind="answers", remove=True)).links == []
    with pytest.raises(NotFound):
        await ana.link("a", "gone")


async def test_more_links_than_an_entry_may_have_are_refused(ana: Memory) -> None:
    await ana.put("b", id="b")
    await ana.put("a", id="a", links=[Link(f"e{n}") for n in range(64)])
    with pytest.raises(BadPayload, match="has 64 links already"):
        await ana.link("a", "b")


async def test_entries_are_forgotten_by_id_or_by_a_condition(ana: Memory) -> None:
    await ana.put_many(
        [{"text": t, "id": t, "metadata": {"odd": n % 2}} for n, t in enumerate("abcde")]
    )
    assert await ana.delete("a", "gone") == 1
    assert await ana.delete(where=Eq("metadata.odd", 1)) == 2
    with pytest.raises(BadPayload, match="say what to delete"):
        await ana.delete()
    assert await ana.delete(where=Exists("id")) == 2


async def test_an_export_is_taken_over_as_it_was_but_for_whose_it_is(
    serving: Serving, by: As, clock: Clock
) -> None:
    async with serving():
        ana, bob = by("ana"), by("bob")
        talk = ana.within(session="s")
        for number in range(7):
            await talk.put(f"entry {number}", id=f"e{number}", metadata={"n": number})
        await ana.put("soon over", id="f", ttl=5.0)
        await ana.update("e4", importance=0.9)
        entries = [one async for one in ana.export()]
        assert [one.id for one in entries] == [*(f"e{n}" for n in range(7)), "f"]
        clock.move(10)
        done = await bob.import_(entries, batch=3)
        assert (done.imported, done.expired) == (7, 1)
        taken = [one async for one in bob.export(where=Eq("metadata.n", 4))]
        assert [(one.text, one.seq, one.namespace, one.by) for one in taken] == [
            ("entry 4", 5, "bob", "bob")
        ]
        assert (taken[0].created, taken[0].version) == (entries[4].created, 2)
        with pytest.raises(Conflict):
            await bob.update("e4", importance=0.1, expected=1)
        assert (await bob.import_(ana.export())).imported == 7
        assert [one.id async for one in bob.export(after="e4")] == ["e5", "e6"]


async def test_stats_say_how_full_the_memory_is_and_what_it_works_with(ana: Memory) -> None:
    await ana.put_many(["one", {"text": "zwei", "lang": "de"}])
    stats = await ana.stats()
    assert [one.namespace for one in stats.namespaces] == ["ana", "common"]
    assert (stats.namespaces[0].entries, stats.namespaces[0].characters) == (2, 7)
    assert (stats.store, stats.embedder, stats.dims) == ("memory", "hashing:64@1", 64)
    assert (stats.replica, stats.cached) == ("r1", 2)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"text": ""}, "$.entries[0].text"),
    ({"text": "a", "id": "a/b"}, "$.entries[0].id"),
    ({"text": "a", "scope": "galaxy"}, "$.entries[0].scope"),
    ({"text": "a", "scope": "agent"}, "$.entries[0].agent"),
    ({"text": "a", "ttl": -1}, "$.entries[0].ttl"),
    ({"text": "a", "importance": 2}, "$.entries[0].importance"),
    ({"text": "a", "metadata": {"x": "y" * 70_000}}, "$.entries[0].metadata"),
    ({"text": "a", "at": "yesterday"}, "$.entries[0].at"),
    ({"text": "x" * 10_000_000}, "$.entries[0].text"),
]


@pytest.mark.parametrize(("entry", "path"), BAD, ids=[path for _, path in BAD])
async def test_what_does_not_fit_is_refused_with_the_field_and_nothing_is_changed(
    entry: dict[str, Any], path: str, ana: Memory
) -> None:
    with pytest.raises(BadPayload) as refused:
        await ana.put_many([entry])
    assert refused.value.context["path"] == path
    assert (await ana.stats()).namespaces[0].entries == 0


async def test_an_id_that_is_there_twice_is_refused(ana: Memory) -> None:
    with pytest.raises(BadPayload) as refused:
        await ana.put_many([{"text": "a", "id": "a"}, {"text": "b", "id": "a"}])
    assert refused.value.context["path"] == "$.entries[1].id"


HOSTILE = [
    "' OR 1=1 --",
    "'; DROP TABLE memory; --",
    "@tag:{*}",
    "a & !b | (c",
    "%",
    "$.x",
    "\u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_syntax_of_databases_is_text_like_any_other(text: str, ana: Memory) -> None:
    entry = await ana.put(f"word {text}", session=text, source=text, metadata={"k": text})
    await ana.put("bystander", session="other", metadata={"k": "other"})
    found = await ana.search(f"word {text}", session=text, where=Eq("metadata.k", text))
    assert [hit.entry.id for hit in found.hits] == [entry.id]
    assert await ana.delete(where=Eq("session", text)) == 1


async def test_fields_that_there_are_not_are_named(ana: Memory) -> None:
    options: Any = {"colour": "red"}
    with pytest.raises(TypeError, match="an entry has no colour"):
        await ana.put("a", **options)
    with pytest.raises(TypeError, match="a search has no colour"):
        await ana.search("a", **options)
    with pytest.raises(TypeError, match="an entry has no colour"):
        await ana.update("a", **options)


async def test_equal_puts_at_once_leave_one_entry(ana: Memory) -> None:
    ends = await asyncio.gather(
        *(ana.put(f"text {n}", id="same") for n in range(8)), return_exceptions=True
    )
    assert all(not isinstance(end, BaseException) or isinstance(end, PepperError) for end in ends)
    assert (await ana.stats()).namespaces[0].entries == 1
    assert (await ana.get("same")).version == 8


async def test_large_entries_of_an_export_are_sent_in_as_many_requests_as_they_need(
    ana: Memory, clock: Clock
) -> None:
    times = dict.fromkeys(("at", "created", "updated"), clock.now)
    large = [
        Entry(id=f"e{n:02}", namespace="ana", text="word " * 40_000, **times) for n in range(50)
    ]
    assert (await ana.import_(large)).imported == 50
    assert (await ana.stats()).namespaces[0].entries == 50
