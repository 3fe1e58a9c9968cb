"""How candidates become hits, whatever the store: properties, and figures by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.ranking.context import add_links, add_neighbours, givers, links, turns
from pepperpy_memory_svc.ranking.fusion import FOREIGN, WINDOW, fused, head, score
from pepperpy_memory_svc.ranking.ranking import Ranked, add_bonuses, check_page, page, pool, ranked
from pepperpy_memory_svc.stores.rows import MAX_LEG, Candidates, Scored, Turn
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import (
    Entry,
    Link,
    MinMax,
    Neighbours,
    Recency,
    Rrf,
    SearchRequest,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
finite = st.floats(-1, 1, allow_nan=False, width=32)
legs = st.dictionaries(st.sampled_from([f"e{n}" for n in range(12)]), finite, max_size=12)
fusions = st.one_of(
    st.builds(MinMax, weight=st.floats(0, 1)),
    st.builds(Rrf, k=st.floats(0, 1000), weight=st.floats(0, 1)),
)


def entry(id_: str, **values: Any) -> Entry:
    times = {"at": NOW, "created": NOW, "updated": NOW}
    return Entry(id=id_, namespace="main", text=id_, **(times | values))


def leg(scores: dict[str, float]) -> list[Scored]:
    found = [Scored(id_, points) for id_, points in scores.items()]
    return sorted(found, key=lambda one: (-one.score, one.id))


def candidates(
    vector: dict[str, float], words: dict[str, float], entries: Sequence[Entry] = ()
) -> Candidates:
    known = {one.id: one for one in entries}
    return Candidates(
        leg(vector), leg(words), {id_: known.get(id_) or entry(id_) for id_ in vector | words}
    )


@settings(deadline=None)  # a busy machine is no fault
@given(legs, legs, fusions)
def test_hybrid_scores_are_shares_of_one(
    vector: dict[str, float], words: dict[str, float], fusion: MinMax | Rrf
) -> None:
    parts = fused(candidates(vector, words), SearchRequest(fusion=fusion))
    assert parts.keys() == vector.keys() | words.keys()
    assert all(-1e-9 <= score(each) <= 1 + 1e-9 for each in parts.values())


@settings(deadline=None)  # a busy machine is no fault
@given(legs, legs, fusions)
def test_who_is_better_in_both_legs_is_not_behind(
    vector: dict[str, float], words: dict[str, float], fusion: MinMax | Rrf
) -> None:
    found = candidates(vector, words)
    parts = fused(found, SearchRequest(fusion=fusion))
    order = [one.entry.id for one in ranked(parts, found.entries, None)]
    both = [id_ for id_ in order if id_ in vector and id_ in words]
    for place, better in enumerate(both):
        for worse in both[:place]:
            assert not (vector[better] > vector[worse] and words[better] > words[worse])


@settings(deadline=None)  # a busy machine is no fault
@given(legs, legs, fusions, st.integers(1, 5))
def test_pages_together_are_the_whole_and_say_when_they_end(
    vector: dict[str, float], words: dict[str, float], fusion: MinMax | Rrf, size: int
) -> None:
    found = candidates(vector, words)
    whole = ranked(fused(found, SearchRequest(fusion=fusion)), found.entries, None)
    pages: list[Ranked] = []
    more = True
    while more:
        some, more = page(whole, SearchRequest(limit=size, offset=len(pages)))
        pages += some
    assert pages == whole


@settings(deadline=None)  # a busy machine is no fault
@given(legs, legs, fusions)
def test_a_score_is_the_sum_of_its_parts(
    vector: dict[str, float], words: dict[str, float], fusion: MinMax | Rrf
) -> None:
    found = candidates(vector, words)
    request = SearchRequest(fusion=fusion, recency=Recency(), importance=0.3)
    parts = fused(found, request)
    add_bonuses(parts, found.entries, request, NOW)
    for one in ranked(parts, found.entries, None):
        added = sum(v for name, v in one.parts.items() if not name.endswith("_raw"))
        assert one.score == pytest.approx(added)
        assert one.parts.get("vector_raw") == vector.get(one.entry.id)


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(0, 260), fusions)
def test_scores_do_not_depend_on_the_number_of_candidates(extra: int, fusion: MinMax | Rrf) -> None:
    vector = {f"v{n:03}": 1 - n / 1000 for n in range(WINDOW + extra)}
    words = {f"v{n:03}": float(n) for n in range(0, WINDOW + extra, 3)}
    request = SearchRequest(fusion=fusion)
    few = fused(candidates(dict([*vector.items()][:WINDOW]), words), request)
    many = fused(candidates(vector, words), request)
    assert {id_: score(few[id_]) for id_ in few} == {id_: score(many[id_]) for id_ in few}


@settings(deadline=None, max_examples=20)  # a busy machine is no fault
@given(
    st.integers(0, 2**32),
    st.sampled_from(["hybrid", "semantic", "text"]),
    st.integers(20, 90),
)
def test_pages_neither_lose_nor_repeat_a_hit_whatever_is_added(
    seed: int, mode: Literal["hybrid", "semantic", "text"], size: int
) -> None:
    random = Random(seed)
    entries = [
        entry(f"e{n:03}", importance=random.random(), at=NOW - timedelta(days=random.random() * 90))
        for n in range(500)
    ]
    vector = {one.id: random.random() for one in random.sample(entries, 450)}
    words = {one.id: random.random() * 9 for one in random.sample(entries, 300)}
    whole = candidates(
        vector if mode != "text" else {}, words if mode != "semantic" else {}, entries
    )
    pages: list[str] = []
    more = True
    while more:
        request = SearchRequest(
            mode=mode, limit=size, offset=len(pages), recency=Recency(weight=0.5), importance=0.5
        )
        most = pool(request)
        found = Candidates(whole.vector[:most], whole.words[:most], {})
        ids = {scored.id for scored in (*found.vector, *found.words)}
        found = msgspec.structs.replace(found, entries={i: whole.entries[i] for i in ids})
        parts = fused(found, request)
        first = {id_: parts[id_] for id_ in head(found)}
        add_bonuses(first, found.entries, request, NOW)
        some, more = page(ranked(parts, found.entries, None, first), request)
        pages += [one.entry.id for one in some]
    assert len(pages) == len(set(pages))
    assert set(pages) == whole.entries.keys()


def test_a_page_behind_what_is_ranked_is_refused_and_the_last_one_says_that_there_may_be_more() -> (
    None
):
    last = SearchRequest(limit=100, offset=MAX_LEG - 100)
    check_page(last)
    one = Ranked(entry("a"), 1.0, {})
    assert page([one] * MAX_LEG, last) == ([one] * 100, True)
    assert page([one] * (MAX_LEG - 1), last) == ([one] * 99, False)
    with pytest.raises(BadPayload, match="only the first 10000 hits are ranked"):
        check_page(SearchRequest(limit=100, offset=MAX_LEG - 99))


def test_words_in_common_with_another_language_count_less() -> None:
    texts = [entry("de", lang="de"), entry("en", lang="en"), entry("x")]
    found = candidates({}, {"de": 3.0, "en": 3.0, "x": 3.0}, texts)
    request = SearchRequest(fusion=MinMax(weight=0.5))
    plain, known = (fused(found, request, lang) for lang in ("", "de"))
    assert {id_: each["words"] for id_, each in plain.items()} == {"de": 0.5, "en": 0.5, "x": 0.5}
    assert {id_: each["words"] for id_, each in known.items()} == pytest.approx(
        {"de": 0.5, "en": 0.5 * FOREIGN, "x": 0.5}
    )
    assert fused(found, SearchRequest(mode="text"), "de")["en"]["words"] == 1


def test_min_max_weighs_both_legs() -> None:
    found = candidates({"a": 0.9, "b": 0.8, "c": 0.7}, {"b": 12.0, "d": 2.0})
    parts = fused(found, SearchRequest())
    assert {id_: score(each) for id_, each in parts.items()} == pytest.approx(
        {"a": 0.6, "b": 0.3 + 0.4, "c": 0.0, "d": 0.0}
    )
    assert parts["b"] == pytest.approx(
        {"vector": 0.3, "vector_raw": 0.8, "words": 0.4, "words_raw": 12.0}
    )


def test_equal_scores_of_a_leg_all_have_its_share() -> None:
    parts = fused(candidates({"a": 0.5, "b": 0.5}, {}), SearchRequest())
    assert [score(each) for each in parts.values()] == pytest.approx([0.6, 0.6])


def test_rrf_goes_by_the_places() -> None:
    found = candidates({"a": 0.9, "b": 0.1}, {"b": 3.0, "c": 2.9})
    parts = fused(found, SearchRequest(fusion=Rrf()))
    assert {id_: score(each) for id_, each in parts.items()} == pytest.approx(
        {"a": 0.5, "b": 0.5 * 61 / 62 + 0.5, "c": 0.5 * 61 / 62}
    )


def test_vectors_alone_score_by_their_cosine_and_words_alone_as_a_share_of_the_best() -> None:
    semantic = fused(candidates({"a": 0.9, "b": -0.2}, {}), SearchRequest(mode="semantic"))
    assert [score(each) for each in semantic.values()] == pytest.approx([0.9, -0.2])
    words = fused(candidates({}, {"a": 8.0, "b": 2.0}), SearchRequest(mode="text"))
    assert [score(each) for each in words.values()] == pytest.approx([1.0, 0.25])
    nothing = fused(candidates({}, {"a": 0.0}), SearchRequest(mode="text"))
    assert score(nothing["a"]) == 0


def test_neighbours_in_a_conversation_share_their_score_but_do_not_pass_it_on() -> None:
    talk = [entry(f"t{n}", session="s", seq=n) for n in range(1, 6)]
    others = [entry("x", session="other", seq=3), entry("y")]
    entries = {one.id: one for one in [*talk, *others]}
    parts: dict[str, dict[str, float]] = {id_: {} for id_ in entries}
    parts["t3"]["words"] = 1.0
    given = givers(parts)
    assert turns(given, entries) == [Turn("s", 3)]
    add_neighbours(parts, given, entries, Neighbours(before=2, after=1))
    added = {id_: each["neighbours"] for id_, each in parts.items() if "neighbours" in each}
    assert added == {"t2": 0.3, "t4": 0.3, "t5": 0.3}


def test_links_in_a_circle_end() -> None:
    entries = {
        "a": entry("a", links=[Link("b"), Link("a"), Link("gone")]),
        "b": entry("b", links=[Link("a")]),
    }
    parts: dict[str, dict[str, float]] = {"a": {"words": 0.8}, "b": {"words": 0.2}}
    given = givers(parts)
    assert links(given, entries) == ["b", "a", "gone"]
    add_links(parts, given, entries, 0.5)
    assert parts == {"a": {"words": 0.8, "links": 0.1}, "b": {"words": 0.2, "links": 0.4}}


def test_a_bonus_is_halved_with_every_half_life_and_whole_for_the_future() -> None:
    ages = {"now": 0, "week": 7, "fortnight": 14, "future": -3}
    entries = {id_: entry(id_, at=NOW - timedelta(days=days)) for id_, days in ages.items()}
    parts: dict[str, dict[str, float]] = {id_: {} for id_ in entries}
    add_bonuses(parts, entries, SearchRequest(recency=Recency()), NOW)
    assert {id_: each["recency"] for id_, each in parts.items()} == pytest.approx(
        {"now": 0.2, "week": 0.1, "fortnight": 0.05, "future": 0.2}
    )


def test_what_is_important_gets_more() -> None:
    entries = {"a": entry("a", importance=1.0), "b": entry("b", importance=0.0)}
    parts: dict[str, dict[str, float]] = {"a": {}, "b": {}}
    add_bonuses(parts, entries, SearchRequest(importance=0.4), NOW)
    assert [score(each) for each in parts.values()] == [0.4, 0.0]


def test_hits_below_the_least_score_are_left_out() -> None:
    found = candidates({"a": 0.9, "b": 0.4}, {})
    parts = fused(found, SearchRequest(mode="semantic"))
    assert [one.entry.id for one in ranked(parts, found.entries, 0.5)] == ["a"]


def test_equal_scores_stand_in_the_order_of_their_legs_then_of_their_ids() -> None:
    found = candidates({"c": 0.9, "b": 0.9, "a": 0.3}, {})
    parts = fused(found, SearchRequest(fusion=MinMax(weight=0.0)))
    assert [one.entry.id for one in ranked(parts, found.entries, None)] == ["b", "c", "a"]


def test_the_first_pages_ask_for_the_same_candidates_and_deep_ones_for_more() -> None:
    sizes = [pool(SearchRequest(limit=10, offset=offset)) for offset in (0, 10, 40, 50, 90_000)]
    assert sizes == [100, 100, 100, 200, MAX_LEG]


def test_the_defaults_are_those_of_the_request() -> None:
    request = msgspec.json.decode(b"{}", type=SearchRequest)
    assert request.fusion == MinMax(weight=0.6)
