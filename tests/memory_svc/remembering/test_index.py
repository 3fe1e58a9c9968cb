"""Vectors and words of the generations that are current, and what makes them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
import pytest

from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser, PlainAnalyser
from pepperpy_memory_svc.remembering.index import Index
from pepperpy_memory_svc.stores.rows import Filling, Row
from pepperpy_schemas.errors import (
    BadConfig,
    Conflict,
    PermissionDenied,
    Unavailable,
    WrongSequence,
)
from pepperpy_schemas.language import Analysis, Pipeline
from tests.memory_svc.remembering.conftest import As, Clock, Serving


class Reversing(PlainAnalyser):
    """Makes other words of every text."""

    def version(self, pipeline: Pipeline) -> str:
        return "reversing-1"

    def analyse(self, text: str, *, lang: str, main: str, pipeline: Pipeline) -> Analysis:
        plain = super().analyse(text, lang=lang, main=main, pipeline=pipeline)
        tokens = [msgspec.structs.replace(t, lexeme=t.lexeme[::-1]) for t in plain.tokens]
        return msgspec.structs.replace(plain, tokens=tokens)


async def test_texts_are_found_by_the_words_of_their_language(serving: Serving, by: As) -> None:
    async with serving(analyser=LanguageAnalyser()):
        ana = by("ana")
        entry = await ana.put("Die Pakete wurden gestern beim Nachbarn abgegeben und liegen dort.")
        assert entry.lang == "de"
        found = await ana.search("Paket Nachbar", mode="text")
        assert found.lang == "de"
        assert "**Pakete**" in found.hits[0].snippet
        polish = await ana.put("Paczka jest u sąsiada.", lang="pl")
        assert polish.lang == "pl"
        assert (await ana.search("paczka", mode="text")).hits[0].entry.id == polish.id


async def test_another_analyser_makes_the_words_of_all_entries_anew(
    serving: Serving, by: As, clock: Clock
) -> None:
    async with serving() as offer:
        ana, store = by("ana"), offer.parts.store
        await ana.put_many([{"text": f"parcel {n}", "id": f"e{n}"} for n in range(20)])
        old = offer.parts.index
        new = Index(
            store,
            old._embedders,
            Reversing(),
            spec="hashing:64",
            declaration=offer.parts.declaration,
        )
        old_words = (await old.current()).analyser
        assert (await new.current()).analyser == old_words
        await new.prepare(clock)
        await new.prepare(clock)
        states = [(one.kind, one.state) for one in await store.generations()]
        assert states == [("embedding", "current"), ("analyser", "kept"), ("analyser", "current")]
        current = await new.current()
        wanted = await new.words.asked(current.treatments.of("ana"), "parcel")
        assert [token.lexeme for token in wanted.tokens] == ["lecrap"]
        assert current.analyser.number != old_words.number


async def test_a_replica_follows_a_change_of_the_vectors(
    serving: Serving, by: As, clock: Clock
) -> None:
    async with serving() as offer:
        ana, store = by("ana"), offer.parts.store
        await ana.put("parcel", id="e")
        made = await store.begin("embedding", "hashing:32@1", dims=32)
        assert await store.flip(made.number, now=clock.now, partial=True) == 1
        await ana.put("another parcel", id="f")
        assert (await ana.stats()).dims == 32
        await store.drop(1)
        found = await ana.search("another parcel", mode="semantic")
        assert [hit.entry.id for hit in found.hits] == ["f"]


async def test_vectors_that_nobody_here_can_make_are_not_mixed_with_others(
    serving: Serving, by: As, clock: Clock
) -> None:
    async with serving() as offer:
        store = offer.parts.store
        made = await store.begin("embedding", "hashing:32@other", dims=32)
        await store.flip(made.number, now=clock.now, partial=True)
        with pytest.raises(Unavailable, match="hashing:32@other"):
            await by("ana").put("parcel")


async def test_generations_that_change_all_the_time_are_given_up(serving: Serving) -> None:
    async with serving() as offer:
        tries = []

        async def work(current: object) -> None:
            tries.append(current)
            raise WrongSequence("again")

        with pytest.raises(WrongSequence):
            await offer.parts.index.agreed(work)
        assert len(tries) == 5


async def test_all_vectors_are_made_anew_while_searches_go_on(serving: Serving, by: As) -> None:
    async with serving() as offer:
        operator, ana = by("operator"), by("ana")
        await ana.put_many([{"text": f"parcel {n}", "id": f"e{n:02}"} for n in range(70)])
        await by("bob").put("bob's parcel")
        seen = []
        async for one in operator.reindex("hashing:32"):
            seen.append(one)
            if not one.current:
                assert len((await ana.search("parcel 7", limit=100)).hits) >= 70
            if one.done == 32:
                await ana.put("put meanwhile", id="late")
                await ana.update("e00", text="changed meanwhile")
        assert [one.current for one in seen] == [False] * (len(seen) - 1) + [True]
        assert (seen[0].entries, seen[-1].embedder) == (71, "hashing:32@1")
        assert (await ana.stats()).dims == 32
        found = await ana.search("meanwhile", mode="semantic", limit=2)
        assert {hit.entry.id for hit in found.hits} == {"late", "e00"}
        kept = [one.name for one in await offer.parts.store.generations() if one.state == "kept"]
        assert kept == ["hashing:64@1"]


async def test_a_reindex_that_stopped_goes_on_and_the_way_back_is_short(
    serving: Serving, by: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as offer:
        operator, ana, store = by("operator"), by("ana"), offer.parts.store
        await ana.put_many([{"text": f"parcel {n}", "id": f"e{n:02}"} for n in range(70)])
        fill, filled, stopped = store.fill, asyncio.Event(), asyncio.Event()

        async def once(number: int, fillings: Sequence[Filling]) -> int:
            if filled.is_set():
                try:
                    await asyncio.Event().wait()
                finally:
                    stopped.set()
            filled.set()
            return await fill(number, fillings)

        monkeypatch.setattr(store, "fill", once)
        first = operator.reindex("hashing:32")
        async for one in first:
            if one.done == 32:
                break
        await first.aclose()
        await asyncio.wait_for(stopped.wait(), 5)
        monkeypatch.undo()
        assert (await ana.stats()).dims == 64
        again = [one.done async for one in operator.reindex("hashing:32")]
        assert again[-1] == 70 - 32
        await ana.put("put since")
        back = [one async for one in operator.reindex("hashing:64")]
        assert (back[-1].done, back[-1].current) == (1, True)
        assert [one.current async for one in operator.reindex("hashing:64")] == [False, True]


async def test_a_reindex_is_for_whom_the_declaration_names(serving: Serving, by: As) -> None:
    async with serving():
        with pytest.raises(PermissionDenied, match="ana may not re-index"):
            await anext(by("ana").reindex("hashing:32"))
        with pytest.raises(BadConfig):
            assert [one async for one in by("operator").reindex("no-such")]
    async with serving('reindexers = ["*"]\n[namespaces.main]\nprincipals = ["*"]\n'):
        assert (await anext(by("ana").reindex("hashing:32"))).done == 0


async def test_a_reindex_ends_though_entries_are_put_all_the_time(serving: Serving, by: As) -> None:
    async with serving() as offer:
        ana = by("ana")
        await ana.put_many([{"text": f"parcel {n}"} for n in range(100)])
        ended = asyncio.Event()

        async def write(who: int) -> None:
            n = 0
            while not ended.is_set():
                await ana.put(f"letter {who} {n}")
                n += 1

        writers = [asyncio.create_task(write(who)) for who in range(4)]
        async with asyncio.timeout(60):
            seen = [one async for one in by("operator").reindex("hashing:32")]
        ended.set()
        await asyncio.gather(*writers)
        assert seen[-1].current
        (current,) = [
            one
            for one in await offer.parts.store.generations()
            if (one.kind, one.state) == ("embedding", "current")
        ]
        assert current.dims == 32
        assert not await offer.parts.store.unfilled(current.number, now=offer.parts.clock())


async def test_the_last_few_that_others_put_are_embedded_after_the_change(
    serving: Serving, by: As, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as offer:
        ana, store, flip = by("ana"), offer.parts.store, offer.parts.store.flip
        await ana.put("parcel")
        partly: list[bool] = []

        async def flipped(number: int, *, now: datetime, partial: bool = False) -> int:
            # Another replica, which knows the current vectors alone, is always faster.
            entry = await ana.export().__anext__()
            (old,) = [
                one.number
                for one in await store.generations()
                if (one.kind, one.state) == ("embedding", "current")
            ]
            row = Row(
                entry=msgspec.structs.replace(entry, id=f"late{len(partly)}"),
                vectors={
                    old: (await store.vectors("ana", [entry.id], embedding=old, now=now))[entry.id]
                },
                lexemes={2: ["late"]},
            )
            await store.put("ana", [row], now=now)
            partly.append(partial)
            return await flip(number, now=now, partial=partial)

        monkeypatch.setattr(store, "flip", flipped)
        seen = [one async for one in by("operator").reindex("hashing:32")]
        assert seen[-1].current
        assert partly == [False] * 9 + [True]
        made = max(one.number for one in await store.generations())
        assert not await store.unfilled(made, now=clock.now)


async def test_only_the_way_back_is_kept(serving: Serving, by: As) -> None:
    async with serving() as offer:
        await by("ana").put("parcel")
        for dims in (16, 32, 48):
            assert [one async for one in by("operator").reindex(f"hashing:{dims}")][-1].current
        there = [
            (one.name, one.state)
            for one in await offer.parts.store.generations()
            if one.kind == "embedding"
        ]
        assert there == [("hashing:32@1", "kept"), ("hashing:48@1", "current")]
        for dims in (32, 64):
            assert [one async for one in by("operator").reindex(f"hashing:{dims}")][-1].current
        there = [
            (one.name, one.state)
            for one in await offer.parts.store.generations()
            if one.kind == "embedding"
        ]
        assert there == [("hashing:32@1", "kept"), ("hashing:64@1", "current")]


async def test_an_embedder_is_opened_once_for_all_who_ask_at_the_same_time(
    serving: Serving,
) -> None:
    async with serving() as offer:
        same = await asyncio.gather(*(offer._embedder("hashing:16") for _ in range(5)))
        assert len(set(map(id, same))) == 1


async def test_the_same_vectors_made_anew_twice_at_once_are_made(serving: Serving, by: As) -> None:
    async with serving() as offer:
        await by("ana").put_many([{"text": f"parcel {n}"} for n in range(300)])

        async def make_anew() -> bool:
            return [one async for one in by("operator").reindex("hashing:32")][-1].current

        assert await asyncio.gather(make_anew(), make_anew()) == [True, True]
        assert (await by("ana").stats()).dims == 32
        assert not offer.parts.index._embedded_anew


async def test_what_the_current_vectors_lack_is_embedded_at_a_start(
    serving: Serving, by: As, clock: Clock
) -> None:
    async with serving() as offer:
        store = offer.parts.store
        await by("ana").put_many([{"text": f"parcel {n}"} for n in range(5)])
        made = await store.begin("embedding", "hashing:32@1", dims=32)
        assert await store.flip(made.number, now=clock.now, partial=True) == 5
        offer.parts.index._current = None
        await offer.parts.index.complete(clock)
        assert not await store.unfilled(made.number, now=clock.now)
        seen = [one async for one in by("operator").reindex("hashing:32")]
        assert (seen[-1].current, seen[-1].done) == (True, 0)


async def test_a_reindex_is_left_when_another_one_is_done_first(
    serving: Serving, by: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as offer:
        store, operator = offer.parts.store, by("operator")
        fill, begun, done = store.fill, asyncio.Event(), asyncio.Event()

        async def slowly(number: int, fillings: Sequence[Filling]) -> int:
            (made,) = [one for one in await store.generations() if one.number == number]
            if made.dims == 32:
                begun.set()
                await done.wait()
            return await fill(number, fillings)

        async def make_anew(dims: int) -> bool:
            return [one async for one in operator.reindex(f"hashing:{dims}")][-1].current

        await by("ana").put_many([{"text": f"parcel {n}"} for n in range(100)])
        monkeypatch.setattr(store, "fill", slowly)
        slow = asyncio.create_task(make_anew(32))
        await begun.wait()
        assert await make_anew(16)
        done.set()
        with pytest.raises(Conflict, match="other vectors were made anew"):
            await slow
        assert (await by("ana").stats()).dims == 16
        assert await make_anew(32)
