"""The benchmark of the memory service measures and names every figure; no timing is judged here."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import memory
from benchmarks.retrieval import made, speed
from benchmarks.retrieval.corpora import Corpus, Question, corpora, sampled
from benchmarks.retrieval.growth import plot
from benchmarks.retrieval.kept import KeptEmbedder
from benchmarks.retrieval.measures import ndcg, percentile, recall, success
from benchmarks.retrieval.quality import WAYS, judged, quality
from benchmarks.retrieval.stores import compared
from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.embedding.hashing import HashingEmbedder

PASSAGES = """.I 1
.T
wings of birds
.A
somebody
.W
wings of birds
they are light .
.I 2
.T
tails
.W
how tails steer .
"""
QUESTIONS = """.I 001
.W
what steers ?
.I 007
.W
which wings are light ?
"""
JUDGMENTS = "1 2 1 \n1 1 4\n2 1 -1\n2 1 2\n2 2 5\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A Cranfield of two passages, and an XQuAD of two paragraphs in two languages."""
    cranfield, xquad = tmp_path / "cranfield", tmp_path / "xquad"
    cranfield.mkdir()
    xquad.mkdir()
    for name, text in (
        ("cran.all.1400", PASSAGES),
        ("cran.qry", QUESTIONS),
        ("cranqrel", JUDGMENTS),
    ):
        (cranfield / name).write_text(text.replace("\n", "\r\n"), "latin-1", newline="")
    for lang, pairs in (
        ("en", [("The lamp is red.", "Which colour is it?"), ("Otters swim.", "What do they do?")]),
        ("de", [("Die Lampe ist rot.", "Welche Farbe?"), ("Otter schwimmen.", "Was tun sie?")]),
    ):
        paragraphs = [{"context": text, "qas": [{"question": asked}]} for text, asked in pairs]
        said = json.dumps({"data": [{"paragraphs": paragraphs}]})
        (xquad / f"xquad.{lang}.json").write_text(said, "utf-8")
    return tmp_path


def test_collections_are_read_with_their_judgments(data: Path) -> None:
    found = {corpus.name: corpus for corpus in corpora(data)}
    assert list(found) == ["cranfield", "xquad_en", "xquad_de", "xquad_de_en"]
    graded = found["cranfield"]
    assert graded.figures == ("cranfield_ndcg10", "cranfield_binary_ndcg10")
    assert graded.passages == {
        "1": "wings of birds\nthey are light .",
        "2": "tails\nhow tails steer .",
    }
    assert [one.gains for one in graded.questions] == [{"2": 4.0, "1": 1.0}, {"1": 3.0}]
    across = found["xquad_de_en"]
    assert across.passages["p1"] == "Otters swim."
    assert across.questions[1] == Question("Was tun sie?", {"p1": 1.0})


def test_a_sample_is_spread_over_all_questions_and_keeps_their_answers() -> None:
    passages = {str(number): "" for number in range(20)}
    asked = [Question(str(number), {str(19 - number): 1.0}) for number in range(10)]
    corpus = Corpus("c", "en", passages, asked)
    few = sampled(corpus, 4, 6)
    assert [one.text for one in few.questions] == ["0", "2", "5", "7"]
    assert list(few.passages) == ["0", "8", "12", "14", "17", "19"]
    assert list(sampled(corpus, 4, 0).passages) == ["12", "14", "17", "19"]
    assert sampled(corpus, 99, 99) == corpus


def test_measures_are_those_of_the_textbook() -> None:
    gains = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert ndcg(["a", "b", "c"], gains) == pytest.approx(1)
    # 2 / log2(2) + 3 / log2(3) over 3 / log2(2) + 2 / log2(3) + 1 / log2(4).
    assert ndcg(["b", "a"], gains) == pytest.approx((2 + 1.8928) / (3 + 1.2619 + 0.5), abs=1e-4)
    assert ndcg(["x"], gains) == 0
    assert ndcg(["x", "a"], gains, k=1) == 0
    assert ndcg(["x"], {}) == 0
    assert (success(["b"], gains), success(["x", "b"], gains), success([], gains)) == (1, 0, 0)
    assert success(["x", "b"], gains, k=2) == 1
    assert (recall(["a", "x"], ["a", "b"]), recall([], [])) == (0.5, 1)
    assert [percentile([3, 1, 2, 4], share) for share in (0.01, 0.5, 0.95, 1)] == [1, 2, 4, 4]


class Counting(HashingEmbedder):
    """Counts the texts that it embeds."""

    texts = 0

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        self.texts += len(texts)
        return await super().embed(texts, purpose)


async def test_vectors_are_kept_between_runs_and_a_torn_record_is_not(tmp_path: Path) -> None:
    async with KeptEmbedder(Counting(dims=8), tmp_path) as first:
        before = await first.embed(["a", "b", "a"], "passage")
    (file,) = tmp_path.iterdir()
    whole = file.stat().st_size
    with file.open("ab") as more:
        more.write(b"half a record")
    inner = Counting(dims=8)
    async with KeptEmbedder(inner, tmp_path) as second:
        assert await second.embed(["a", "b", "a"], "passage") == before
        assert inner.texts == 0
        assert file.stat().st_size == whole
        await second.embed(["a"], "query")
        assert (inner.texts, second.computed) == (1, 1)


def test_made_up_entries_follow_from_their_numbers() -> None:
    assert list(made.texts(995, 1005)) == list(made.texts(0, 2000))[995:1005]
    vectors = made.vectors(0, 2000)
    assert np.array_equal(made.vectors(995, 1005), vectors[995:1005])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in made.questions(2000, 20):
        nearest = int(np.argmax(vectors @ vector))
        (about,) = made.texts(nearest, nearest + 1)
        assert set(text.split()) <= set(about.split())


async def test_quality_is_asked_over_the_bus_in_every_way(data: Path) -> None:
    found = corpora(data)
    rows = await quality(found, HashingEmbedder(dims=64), WAYS, store="memory:", kept=None)
    assert list(rows) == list(WAYS)
    for row in rows.values():
        assert list(row) == [name for corpus in found for name in corpus.figures]
        assert all(0 <= figure <= 1 for figure in row.values())
    # Words find the best answer of the first question and not the other, and that of the second.
    first = 4 / (4 + 1 / math.log2(3))
    assert rows["BM25 only"]["cranfield_ndcg10"] == pytest.approx((first + 1) / 2)


def test_rankings_are_judged_by_grades_or_by_the_first_place() -> None:
    asked = [Question("q", {"a": 4.0, "b": 1.0}), Question("r", {"b": 1.0})]
    plain, graded = (Corpus("c", "en", {}, asked, graded=each) for each in (False, True))
    assert judged(plain, [["a"], ["a", "b"]]) == {"c": 0.5}
    assert judged(graded, [["a", "b"], ["b"]]) == {"c_ndcg10": 1, "c_binary_ndcg10": 1}
    # The worse answer first: 1 / log2(2) + 4 / log2(3) of 4 / log2(2) + 1 / log2(3) by grades.
    swapped = judged(graded, [["b", "a"], ["b"]])
    assert swapped["c_ndcg10"] == pytest.approx((0.7609 + 1) / 2, abs=1e-4)
    assert swapped["c_binary_ndcg10"] == 1


def test_speed_names_all_of_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    figures = speed.speed([1_000], searches=2, ingested=100)
    assert tuple(figures) == speed.KEYS
    taken = {key for key, figure in figures.items() if figure is not None}
    of_other_sizes = {key for key in speed.KEYS if "_10000_" in key or "_50000_" in key}
    at_the_goal = {
        "hybrid_p50_ms",
        "hybrid_p10_ms",
        "svc_overhead_ms",
        "svc_overhead_given_ms",
        "bus_overhead_ms",
    }
    assert taken == set(speed.KEYS) - of_other_sizes - at_the_goal
    assert (figures["filtered_rows"], figures["filtered_recall"]) == (1, 1)
    assert "entries/s, copied" in capsys.readouterr().out


async def test_stores_are_compared_with_the_exact_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = await compared(["memory:", "nowhere:"], entries=100, questions=5)
    assert list(found) == ["memory"]
    assert (found["memory"].vectors, found["memory"].words, found["memory"].tagged) == (1, 1, 1)
    assert "cannot be asked" in capsys.readouterr().out


def test_a_plot_has_a_line_for_every_series() -> None:
    drawn = plot({"one": [(1_000, 0.5), (10_000, 5.0)], "other": [(1_000, 2.0), (10_000, 20.0)]})
    assert drawn.count("<polyline") == 2
    assert "one 5" in drawn
    assert ">10,000<" in drawn


def test_what_is_not_measured_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    memory.main(["--only", "", "--json"])
    said = capsys.readouterr()
    figures = json.loads(said.out.splitlines()[-1])
    assert tuple(figures) == memory.KEYS
    assert {key for key, figure in figures.items() if figure is not None} == {"durability"}
    assert "quality is not measured" in said.err


def test_a_quick_run_says_what_it_is_a_sample_of(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.main(["--only", "", "--data", str(data), "--quick", "--json"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "cranfield: 2 of 2 questions, 2 of 2 passages" in figures["sample"]
