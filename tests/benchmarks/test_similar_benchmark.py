"""The benchmark of similar questions tells right answers from wrong ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import similar
from benchmarks.similar import Score, agree, chosen, shares

ASKED = {
    "en": [("Where is the parcel now?", "Who has sent the parcel?"), ("How old is the house?",)],
    "de": [("Wo ist das Paket jetzt?", "Wer hat das Paket geschickt?"), ("Wie alt ist das Haus?",)],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two articles in two languages, as XQuAD has them."""
    for lang, articles in ASKED.items():
        content: list[Any] = []
        for article, asked in enumerate(articles):
            questions = [
                {"id": f"a{article}q{n}", "question": text, "answers": [{"text": f"{article} {n}"}]}
                for n, text in enumerate(asked)
            ]
            content.append({"paragraphs": [{"qas": questions}]})
        (tmp_path / f"xquad.{lang}.json").write_text(json.dumps({"data": content}), "utf-8")
    return tmp_path


def test_the_last_line_has_every_figure(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "CARELESS", (str.strip,))
    similar.main(["--data", str(data), "--embedder", "hashing:64", "--json"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    kinds = ("new", "careless", "german", "german_new")
    named = {f"{kind}_{how}" for kind in kinds for how in ("right", "wrong")}
    thresholds = {"same", "other", "chosen_same", "chosen_other"}
    assert set(figures) == named | thresholds | {"reworded_right", "one_word_wrong"}
    assert figures["same"] == figures["chosen_same"]
    assert figures["careless_right"] == 1
    assert all(0 <= figure <= 1 for figure in figures.values())


def test_the_lowest_threshold_that_is_allowed_is_chosen() -> None:
    scores = [Score(True, 0.9, True, False), *(Score(True, 0.95, True, True) for _ in range(49))]
    assert shares(scores, 0.9, 0.9) == (0.98, 0.02)
    assert chosen(scores, one=True) == 0.905
    assert shares(scores, 0.905, 0.9) == (0.98, 0)
    # None of them is in two languages.
    assert chosen(scores, one=False) == similar.GRID[0]


def test_answers_agree_when_they_say_the_same() -> None:
    assert agree("the Rhine", "Rhine.")
    assert agree("in 1850", "1850")
    assert not agree("185", "1850")
    assert not agree("the", "a")
