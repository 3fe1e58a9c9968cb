"""What the best hits have in common, and how a second search for it counts: figures by hand."""

import pytest
from hypothesis import given, settings

from pepperpy_memory_svc.ranking.feedback import WORDS, add_feedback, frequent, middle
from pepperpy_memory_svc.ranking.fusion import fused, head, score
from pepperpy_schemas.memory import MinMax, Rrf, SearchRequest
from tests.memory_svc.ranking.test_ranking import candidates, fusions, legs


def test_the_first_hits_vector_counts_most() -> None:
    # (1, 0) + (0, 1) / 2 + (0, 1) / 3, with the length 1.
    assert middle([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]) == pytest.approx(
        [0.76822, 0.64018], abs=1e-5
    )
    assert middle([[0.6, 0.8]]) == pytest.approx([0.6, 0.8])


def test_hits_without_vectors_or_that_cancel_each_other_out_have_no_mean() -> None:
    assert middle([]) is None
    # The second counts half: (0.5, 0) - (1, 0) / 2.
    assert middle([[0.5, 0.0], [-1.0, 0.0]]) is None


def test_frequent_words_are_those_with_the_largest_shares_of_the_texts() -> None:
    # wing 1/2 + (1/4)/2, tail 1/2, gust (3/4)/2.
    assert frequent([["wing", "tail"], ["wing", "gust", "gust", "gust"]]) == [
        "wing",
        "tail",
        "gust",
    ]
    many = [f"w{n:02}" for n in range(WORDS + 5)]
    assert frequent([many]) == many[:WORDS]
    assert frequent([]) == frequent([[], []]) == []


def test_both_searches_count_the_same() -> None:
    request = SearchRequest(fusion=MinMax(weight=0.5))
    first = candidates({"a": 0.9, "b": 0.5}, {"a": 3.0})
    second = candidates({"b": 0.8, "c": 0.6}, {"b": 2.0})
    parts = fused(first, request)
    add_feedback(parts, second, request)
    assert {id_: score(each) for id_, each in parts.items()} == pytest.approx(
        {"a": 0.5, "b": 0.5, "c": 0.0}
    )
    assert parts["a"] == pytest.approx(
        {"vector": 0.25, "vector_raw": 0.9, "words": 0.25, "words_raw": 3.0}
    )
    assert parts["b"]["feedback"] == pytest.approx(0.5)


@settings(deadline=None)  # a busy machine is no fault
@given(legs, legs, legs, legs, fusions)
def test_scores_stay_shares_of_one_and_all_that_was_found_has_one(
    vector: dict[str, float],
    words: dict[str, float],
    vector2: dict[str, float],
    words2: dict[str, float],
    fusion: MinMax | Rrf,
) -> None:
    request = SearchRequest(fusion=fusion)
    parts = fused(candidates(vector, words), request)
    second = candidates(vector2, words2)
    add_feedback(parts, second, request)
    assert parts.keys() == vector.keys() | words.keys() | head(second)
    assert all(-1e-9 <= score(each) <= 1 + 1e-9 for each in parts.values())
