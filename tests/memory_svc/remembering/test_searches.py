"""Searches over the bus: what is found, in which order, and why."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest

from pepperpy_bus.client import Client
from pepperpy_bus.memory import Memory
from pepperpy_memory_svc.stores.checking import CALLERS_DEPTH
from pepperpy_schemas.errors import BadPayload, NotFound
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Eq,
    Exists,
    In,
    Link,
    MinMax,
    Neighbours,
    Range,
    Recency,
    Rrf,
    Scalar,
)
from tests.memory_svc.remembering.conftest import As, Clock, Serving

TEXTS = {
    "parcel": "The parcel was left with the neighbour on the second floor.",
    "banana": "Bananas are rich in potassium.",
    "train": "The train to Leipzig leaves at nine.",
    "late": "The train was late again, and the parcel too.",
}


@pytest.fixture
async def filled(ana: Memory) -> Memory:
    await ana.put_many([{"id": id_, "text": text} for id_, text in TEXTS.items()])
    return ana


async def ids(memory: Memory, text: str = "", **options: Any) -> list[str]:
    return [hit.entry.id for hit in (await memory.search(text, **options)).hits]


async def test_what_answers_a_question_comes_first_in_every_mode(filled: Memory) -> None:
    for mode in ("hybrid", "semantic", "text"):
        assert (await ids(filled, "Where is the parcel, with a neighbour?", mode=mode))[
            0
        ] == "parcel"
    assert await ids(filled, "train", mode="text", fusion=Rrf()) == ["train", "late"]
    assert len(await ids(filled, "parcel", fusion=MinMax(weight=0.9))) == 4


async def test_a_snippet_marks_what_was_found(filled: Memory) -> None:
    hit = (await filled.search("potassium")).hits[0]
    assert hit.snippet == "Bananas are rich in **potassium**."
    assert hit.parts == {}


async def test_a_score_is_explained_by_its_parts(filled: Memory) -> None:
    await filled.update("late", links=[Link("banana")])
    found = await filled.search(
        "parcel", explain=True, recency=Recency(), importance=0.4, links=0.5
    )
    for hit in found.hits:
        parts = {name: v for name, v in hit.parts.items() if not name.endswith("_raw")}
        assert hit.score == pytest.approx(sum(parts.values()))
    explained = {hit.entry.id: hit.parts for hit in found.hits}
    assert explained["banana"]["links"] > 0
    assert explained["parcel"]["importance"] == pytest.approx(0.2)
    assert explained["parcel"]["recency"] == pytest.approx(0.2)
    assert explained["parcel"]["words_raw"] > 0


async def test_filters_leave_out_nothing_that_fits(ana: Memory) -> None:
    await ana.put_many(
        [{"text": f"note {n}", "id": f"n{n:03}", "metadata": {"n": n}} for n in range(300)]
    )
    where = Range("metadata.n", gte=290)
    assert len(await ids(ana, "note", where=where, limit=20)) == 10
    assert len(await ids(ana, "other", where=where, mode="semantic")) == 10
    assert await ids(ana, "note 7", where=Eq("metadata.n", 7)) == ["n007"]
    with pytest.raises(BadPayload):
        await ana.search("note", where=Eq("colour", 1))


async def test_pages_together_are_the_whole(ana: Memory) -> None:
    await ana.put_many([{"text": f"note {n % 7} {n % 11}", "id": f"n{n:03}"} for n in range(60)])
    whole = await ids(ana, "note 3 5", limit=100)
    pages: list[str] = []
    more = True
    while more:
        reply = await ana.search("note 3 5", limit=13, offset=len(pages))
        pages += [hit.entry.id for hit in reply.hits]
        more = reply.more
    assert pages == whole
    assert len(set(whole)) == 60


@pytest.mark.parametrize("feedback", [0, 3])
@pytest.mark.parametrize("mode", ["hybrid", "semantic", "text"])
async def test_deep_pages_neither_lose_nor_repeat_a_hit_whatever_is_added(
    ana: Memory, clock: Clock, mode: Literal["hybrid", "semantic", "text"], feedback: int
) -> None:
    await ana.put_many(
        [
            {
                "text": "ferry " * (1 + n % 5) + f"w{n} " * (1 + n * 7 % 30),
                "id": f"e{n:03}",
                "importance": n * 37 % 100 / 100,
                "at": clock.now - timedelta(hours=n * 53 % 997),
                "session": f"s{n % 9}",
                "links": [Link(f"e{n * 11 % 450:03}")],
            }
            for n in range(450)
        ]
    )
    pages: list[str] = []
    more = True
    while more:
        reply = await ana.search(
            "ferry",
            mode=mode,
            feedback=feedback,
            limit=50,
            offset=len(pages),
            recency=Recency(half_life=3e5, weight=0.5),
            importance=0.5,
            neighbours=Neighbours(),
            links=0.5,
        )
        pages += [hit.entry.id for hit in reply.hits]
        more = reply.more
    assert len(pages) == len(set(pages)) == 450


async def test_feedback_finds_what_has_the_words_of_the_best_hit_alone(ana: Memory) -> None:
    texts = {
        "asked": "The ferry carries otters over the bay.",
        "related": "Otters need a bay with fish.",
        "other": "Bananas are rich in potassium.",
    }
    await ana.put_many([{"id": id_, "text": text} for id_, text in texts.items()])
    assert await ids(ana, "ferry", mode="text") == ["asked"]
    assert await ids(ana, "ferry", mode="text", feedback=1) == ["asked", "related"]
    where = Exists("metadata.n")
    assert await ids(ana, "ferry", mode="text", feedback=3, where=where) == []
    (best, next_, *_) = (await ana.search("ferry", feedback=2, explain=True)).hits
    assert (best.entry.id, next_.entry.id) == ("asked", "related")
    for hit in (best, next_):
        added = sum(v for name, v in hit.parts.items() if not name.endswith("_raw"))
        assert hit.score == pytest.approx(added)
        assert hit.parts["feedback"] > 0


async def test_feedback_shows_nothing_that_expired(ana: Memory, clock: Clock) -> None:
    await ana.put("The ferry carries otters.", id="stays")
    await ana.put("Otters need fish.", id="goes", ttl=60)
    assert await ids(ana, "ferry", mode="text", feedback=3) == ["stays", "goes"]
    clock.move(60)
    assert await ids(ana, "ferry", mode="text", feedback=3) == ["stays"]
    clock.move(1e9)
    assert await ids(ana, "nothing of it", feedback=3, mode="text") == []


async def test_feedback_of_more_hits_than_allowed_is_refused(filled: Memory) -> None:
    for count in (-1, 11):
        with pytest.raises(BadPayload):
            await filled.search("train", feedback=count)


async def test_a_page_behind_all_that_is_ranked_is_refused(filled: Memory) -> None:
    with pytest.raises(BadPayload, match="only the first 10000 hits are ranked") as refused:
        await filled.search("train", offset=20_000)
    assert refused.value.context["path"] == "$.offset"


async def test_entries_like_another_one_are_found_without_it(filled: Memory) -> None:
    found = await filled.similar("train", mode="text")
    assert [hit.entry.id for hit in found.hits] == ["late", "parcel"]
    assert "train" not in [hit.entry.id for hit in (await filled.similar("train")).hits]
    with pytest.raises(NotFound):
        await filled.similar("gone")


async def test_similar_to_nothing_is_refused(client: Client, serving: Serving, prefix: str) -> None:
    async with serving():
        message = await client.connection.request(f"{prefix}.svc.memory.similar.ana", b"{}")
        assert msgspec.json.decode(message.body)["error"]["context"] == {"path": "$.like"}


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "$.text"),
        ({"text": "   "}, "$.text"),
        ({"vector": [1.0] * 64, "mode": "text"}, "$.text"),
        ({"text": "a", "limit": 10**9}, "$.limit"),
        ({"text": "a", "limit": 0}, "$.limit"),
        ({"text": "a", "offset": -1}, "$.offset"),
        ({"vector": [1.0, 2.0]}, "vector"),
        ({"vector": [0.0] * 64}, "vector"),
        ({"text": "a" * 200_000}, "$.text"),
    ],
)
async def test_a_search_that_cannot_be_is_refused_with_its_field(
    options: dict[str, Any], path: str, ana: Memory
) -> None:
    with pytest.raises(BadPayload) as refused:
        await ana.search(options.pop("text", ""), **options)
    assert refused.value.context["path"] == path


async def test_a_vector_of_ones_own_is_searched_with(filled: Memory) -> None:
    found = await ids(filled, vector=[1.0] * 64, mode="semantic")
    assert len(found) == 4
    assert await ids(filled, vector=[1e300] * 64, mode="semantic") == found


async def test_a_conversation_and_an_agent_see_their_own_and_what_is_for_all(ana: Memory) -> None:
    await ana.put("word for all", id="all")
    for number in "12":
        await ana.put("word", id=f"s{number}", scope="session", session=f"s{number}")
        await ana.put("word", id=f"a{number}", scope="agent", agent=f"a{number}")
    assert set(await ids(ana.within(session="s1"), "word")) == {"all", "s1"}
    assert set(await ids(ana.within(agent="a2"), "word")) == {"all", "a2"}
    assert set(await ids(ana.within(session="s1", agent="a2"), "word")) == {"all", "s1", "a2"}
    assert set(await ids(ana, "word", scopes=["session"])) == {"s1", "s2"}
    assert len(await ids(ana, "word")) == 5


async def test_neighbours_of_a_hit_are_found_with_it(ana: Memory) -> None:
    talk = ana.within(session="s")
    for text in ("hello", "when does the ferry leave", "at nine", "thanks", "bye"):
        await talk.put(text, id=text.replace(" ", "-"), scope="session")
    alone = await ids(talk, "ferry", mode="text")
    beside = await ids(talk, "ferry", mode="text", neighbours=Neighbours(before=1, after=0))
    both = await ids(talk, "ferry", mode="text", neighbours=Neighbours())
    assert alone == ["when-does-the-ferry-leave"]
    assert beside == ["when-does-the-ferry-leave", "at-nine"]
    assert set(both) == {"when-does-the-ferry-leave", "at-nine", "hello"}


async def test_linked_entries_are_found_only_when_they_fulfil_the_condition(ana: Memory) -> None:
    await ana.put("target", id="t", metadata={"ok": True})
    await ana.put("hidden", id="h", metadata={"ok": False})
    await ana.put("ferry", id="f", metadata={"ok": True}, links=[Link("t"), Link("h"), Link("x")])
    where = Eq("metadata.ok", value=True)
    assert await ids(ana, "ferry", mode="text", links=0.5, where=where) == ["f", "t"]
    assert set(await ids(ana, "ferry", mode="text", links=0.5)) == {"f", "t", "h"}


async def test_what_happened_lately_wins_among_equals(ana: Memory, clock: Clock) -> None:
    await ana.put("the same words", id="old")
    clock.move(7 * 86_400)
    await ana.put("the same words", id="new")
    assert (await ids(ana, "same words", recency=Recency()))[0] == "new"


async def test_no_operation_shows_a_namespace_of_others(serving: Serving, by: As) -> None:
    async with serving():
        ana, bob = by("ana"), by("bob")
        await ana.put("a secret", id="secret")
        foreign = bob.within(namespace="ana")
        refusals = [
            foreign.put("x"),
            foreign.get_many(["secret"]),
            foreign.update("secret", importance=1.0),
            foreign.delete("secret"),
            foreign.search("secret"),
            foreign.similar("secret"),
            foreign.link("secret", "secret"),
            foreign.history("secret"),
            foreign.stats(),
            foreign.import_([await ana.get("secret")]),
            anext(foreign.export()),
            bob.within(namespace="*").get_many(["secret"]),
            bob.within(namespace="nowhere").stats(),
        ]
        for refused in refusals:
            with pytest.raises(NotFound, match="there is no namespace"):
                await refused
        own = [bob.get_many(["secret"]), ids(bob, "secret"), bob.delete("secret")]
        assert await asyncio.gather(*own) == [[], [], 0]
        for refused in (
            bob.update("secret", importance=1.0),
            bob.history("secret"),
            bob.similar("secret"),
            bob.link("secret", "secret"),
        ):
            with pytest.raises(NotFound):
                await refused
        assert [one async for one in bob.export()] == []
        assert [one.namespace for one in (await bob.stats()).namespaces] == ["bob", "common"]
        assert (await ana.get("secret")).version == 1


async def test_who_has_no_namespace_is_told(serving: Serving, by: As) -> None:
    async with serving('[namespaces.ana]\nprincipals = ["ana"]\n'):
        with pytest.raises(NotFound, match="no namespace for bob"):
            await by("bob").put("x")
        assert (await by("bob").stats()).namespaces == []


async def test_everybody_shares_the_namespace_that_is_for_all(serving: Serving, by: As) -> None:
    async with serving():
        await by("ana").within(namespace="common").put("shared", id="e")
        assert (await by("bob").within(namespace="common").get("e")).by == "ana"
        assert (await by("eve").get("e")).text == "shared"


async def test_every_change_and_search_is_told_without_a_word_of_the_text(
    client: Client, serving: Serving, by: As
) -> None:
    async with serving() as offer:
        ana = by("ana")
        await ana.put("a secret", id="e")
        await ana.update("e", importance=1.0)
        await ana.search("secret")
        await ana.delete("e")
        await offer.parts.emitter.flush()
        told = [one async for one in client.events("memory.>", since="1m", until_end=True)]
    assert [one.verb for one in told] == ["put", "updated", "searched", "deleted"]
    for one in told:
        assert "ids" not in one.event.data
        assert one.event.data["count"] == 1
        assert one.scope == "ana"
        assert "secret" not in str(one.event.data)


async def test_expired_entries_are_removed_and_that_is_told(
    client: Client, serving: Serving, by: As, clock: Clock
) -> None:
    clock.now = datetime(2020, 1, 1, tzinfo=UTC)
    async with serving(purge=0.02):
        # The purge goes by the server's clock, which is years ahead of the test's.
        await by("ana").put("short", ttl=1.0)
        async for told in client.events("memory.expired", since="1m"):
            assert told.event.data["count"] == 1
            break
        assert (await by("ana").stats()).namespaces[0].expired == 0


async def test_a_condition_that_may_be_alone_may_be_with_all_that_a_search_adds(
    ana: Memory,
) -> None:
    first = await ana.put("a red parcel", id="e0", session="s", scope="session")
    await ana.put_many([{"text": f"another thing {n}", "id": f"e{n}"} for n in range(1, 60)])
    for n in range(1, 60):
        await ana.link("e0", f"e{n}")
    where: Condition = In("id", [f"e{n}" for n in range(60)])
    for _ in range(CALLERS_DEPTH - 1):
        where = AllOf([where])
    talk = ana.within(session="s")
    found = await talk.search("red", where=where, scopes=["session", "global"], links=0.5)
    assert found.hits[0].entry.id == first.id
    values: list[Scalar] = [f"v{n}" for n in range(990)]
    many = AnyOf([In("metadata.x", values), In("metadata.y", values), Exists("id")])
    assert (await ana.search("red", where=many, links=0.5)).hits
    with pytest.raises(BadPayload, match="deeper than 16 levels"):
        await ana.search("red", where=AllOf([where]))
    with pytest.raises(BadPayload, match="2000 are allowed"):
        await ana.search("red", where=AnyOf([many, In("metadata.z", values)]))
