"""Public collections of passages with questions whose answers are known: Cranfield and XQuAD."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

LANGS = ("en", "de", "ar")
"""Languages of XQuAD that are measured."""
FIGURES = (
    "cranfield_ndcg10",
    "cranfield_binary_ndcg10",
    *(f"xquad_{lang}" for lang in LANGS),
    "xquad_de_en",
)
"""What is measured of each corpus; of graded judgments also as if all were the same."""
NO_INTEREST = 5
"""Cranfield's judgment of a passage that says nothing about the question."""


@dataclass(frozen=True)
class Question:
    """A question and what answers it.

    Attributes:
        text: The question.
        gains: How good each passage that answers it is, by the passage's id; above 0.
    """

    text: str
    gains: dict[str, float]


@dataclass(frozen=True)
class Corpus:
    """Passages, and questions about them.

    Attributes:
        name: What its figures are called.
        lang: The language of the passages.
        passages: The passages by id.
        questions: The questions.
        graded: Whether some answers are better than others.
    """

    name: str
    lang: str
    passages: dict[str, str]
    questions: list[Question]
    graded: bool = False

    @property
    def figures(self) -> tuple[str, ...]:
        """What its figures are called."""
        if self.graded:
            return f"{self.name}_ndcg10", f"{self.name}_binary_ndcg10"
        return (self.name,)


def cranfield(folder: Path) -> Corpus:
    """Reads the Cranfield collection: 1400 abstracts, 225 questions with graded judgments.

    A judgment is 1 for a complete answer, 2, 3, and 4 for what is of minimum interest; the gain is
    what it is better than no interest: 4 to 1. The judgments number the questions as they stand in
    the file, from 1, and not by the numbers that the file gives them.

    Args:
        folder: Holds ``cran.all.1400``, ``cran.qry`` and ``cranqrel``.
    """
    passages = {}
    for number, fields in _records(folder / "cran.all.1400"):
        title, text = fields.get("T", ""), fields.get("W", "")
        passages[str(number)] = text if text.startswith(title) else f"{title}\n{text}".strip()
    gains: dict[int, dict[str, float]] = {}
    for line in (folder / "cranqrel").read_text("latin-1").splitlines():
        question, passage, judgment = map(int, line.split())
        if 0 < judgment < NO_INTEREST and str(passage) in passages:
            gains.setdefault(question, {})[str(passage)] = float(NO_INTEREST - judgment)
    asked = [fields["W"] for _, fields in _records(folder / "cran.qry")]
    questions = [Question(text, gains.get(place, {})) for place, text in enumerate(asked, 1)]
    passages = {id_: text for id_, text in passages.items() if text}
    return Corpus("cranfield", "en", passages, questions, graded=True)


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the number and the fields of every record of a file in SMART's format."""
    for record in re.split(r"^\.I\s+", path.read_text("latin-1"), flags=re.MULTILINE)[1:]:
        number, _, rest = record.partition("\n")
        parts = re.split(r"^\.([A-Z])\s*$", rest, flags=re.MULTILINE)
        yield (
            int(number),
            dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True)),
        )


def xquad(folder: Path, lang: str, *, asked_in: str = "") -> Corpus:
    """Reads XQuAD: 240 paragraphs, the same in every language, and 1190 questions about them.

    Args:
        folder: Holds ``xquad.<lang>.json``.
        lang: The language of the paragraphs.
        asked_in: The language of the questions; that of the paragraphs by default.
    """
    paragraphs = _paragraphs(folder, lang)
    questions = [
        Question(each["question"], {f"p{number}": 1.0})
        for number, paragraph in enumerate(_paragraphs(folder, asked_in or lang))
        for each in paragraph["qas"]
    ]
    name = f"xquad_{asked_in}_{lang}" if asked_in else f"xquad_{lang}"
    texts = {f"p{number}": each["context"] for number, each in enumerate(paragraphs)}
    return Corpus(name, lang, texts, questions)


def _paragraphs(folder: Path, lang: str) -> list[dict[str, Any]]:
    articles = json.loads((folder / f"xquad.{lang}.json").read_text("utf-8"))["data"]
    return [paragraph for article in articles for paragraph in article["paragraphs"]]


def corpora(data: Path | None) -> list[Corpus]:
    """Returns the collections that are there.

    Args:
        data: Holds the folders ``cranfield`` and ``xquad``.
    """
    if data is None:
        return []
    found = []
    if (data / "cranfield" / "cranqrel").exists():
        found.append(cranfield(data / "cranfield"))
    place = data / "xquad"
    there = [lang for lang in LANGS if (place / f"xquad.{lang}.json").exists()]
    found += [xquad(place, lang) for lang in there]
    if {"en", "de"} <= set(there):
        found.append(xquad(place, "en", asked_in="de"))
    return found


def sampled(corpus: Corpus, questions: int, passages: int) -> Corpus:
    """Returns a corpus with fewer questions and passages, spread over all of them.

    Of the passages those that answer a question that is left stay, however many they are. Fewer
    passages are easier to tell apart: figures are better than those of the whole corpus.
    """
    asked = _spread(corpus.questions, questions)
    kept = {id_ for question in asked for id_ in question.gains}
    rest = [id_ for id_ in corpus.passages if id_ not in kept]
    kept.update(_spread(rest, max(0, passages - len(kept))))
    left = {id_: text for id_, text in corpus.passages.items() if id_ in kept}
    return replace(corpus, questions=asked, passages=left)


def _spread(all_of_them: Sequence[T], count: int) -> list[T]:
    step = max(1, len(all_of_them) / max(1, count))
    return [all_of_them[int(place * step)] for place in range(min(count, len(all_of_them)))]
