"""Measures the memory service: how well it finds, and how fast, beside others.

    python benchmarks/memory.py [--data DIR] [--vectors DIR] [--quick] [--json] [--only PART,…]

`quality` asks the questions of public collections over the bus, of a service with the default
embedder, languages and ranking; DIR holds the folders `cranfield` and `xquad`. Embedding takes most
of its time: `--vectors` keeps what was embedded for the next run. `peers` asks LangGraph's store
and mem0 the same with the same vectors, from an environment of their own. `speed` fills a
PostgreSQL of its own with made-up entries, whose vectors are given, and takes turns with plain SQL
where there is something to compare with. `languages` counts texts a second. `--stores` asks other
stores the same questions; `--million` fills one with up to a million entries, and draws a plot.
`--quick` embeds few passages and asks few questions, and these figures are far better than those of
all; it leaves out peers that are not installed, and sentence-transformers without `--model`.

A machine that is busy makes all times longer: p10 is told beside p50, and ratios are of one run.
The last line of `--json` is one flat object; a figure that could not be taken is null, and `sample`
says what share of the collections was asked for.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import language
from benchmarks.retrieval import speed
from benchmarks.retrieval.corpora import FIGURES, Corpus, corpora, sampled
from benchmarks.retrieval.embedders import default_embedder, sentence_transformer
from benchmarks.retrieval.growth import growth
from benchmarks.retrieval.peers import peers
from benchmarks.retrieval.quality import WAYS, quality
from benchmarks.retrieval.stores import compared
from pepperpy_memory_svc.language.languages import LANGUAGES

PARTS = ("quality", "peers", "speed", "languages")
OTHERS = {
    "with feedback": "feedback",
    "dense only": "dense",
    "BM25 only": "bm25",
    "RRF60": "rrf60",
    "LangGraph's store": "langgraph",
    "mem0": "mem0",
    "sentence-transformers": "sentence_transformers",
    "the same with feedback": "sentence_transformers_feedback",
}
"""How the figures of what is not the default begin, by its name in the table."""
_TORCH = ("sentence-transformers", "the same with feedback")
KEYS = (
    *FIGURES,
    *(f"{prefix}_{name}" for prefix in OTHERS.values() for name in FIGURES),
    *speed.KEYS,
    *(f"{step}_{lang}" for step in ("detect", "tokenise", "stem") for lang in LANGUAGES),
    "sample",
    "durability",
)
_SAMPLE = 32
"""Questions of a corpus that --quick asks at most, and passages that it keeps, if so few can."""
_GRADED = 10
"""The same where a question has many answers: all of their passages have to be embedded."""
_GROWN = (10_000, 100_000, 1_000_000)

Found = Mapping[str, Mapping[str, float]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    options = _options(arguments)
    figures: dict[str, float | str | None] = dict.fromkeys(KEYS)
    figures["durability"] = speed.DURABILITY
    found = corpora(options.data)
    if not found:
        print(f"no cranfield, no xquad in {options.data}: quality is not measured", file=sys.stderr)
    if options.quick:
        fewer = [_fewer(corpus) for corpus in found]
        pairs = zip(fewer, found, strict=True)
        figures["sample"] = "; ".join(_share(few, corpus) for few, corpus in pairs) or None
        print(f"a sample: {figures['sample']}", file=sys.stderr)
        found = fewer
    if found:
        figures |= asyncio.run(_quality(found, options))
    if "speed" in options.only:
        searches, ingested = (60, 2_000) if options.quick else (300, 10_000)
        figures |= speed.speed(options.sizes, searches=searches, ingested=ingested)
    if "languages" in options.only:
        rates = language.speeds(language.read(options.data), 0.1 if options.quick else 1.0)
        figures |= {key: rate for key, rate in rates.items() if key in KEYS}
    if options.stores:
        asyncio.run(compared(options.stores, entries=min(options.sizes), questions=200))
    if options.million:
        asyncio.run(growth(options.million, [size for size in _GROWN if size <= options.most]))
    if options.json:
        print(json.dumps(figures))


def _fewer(corpus: Corpus) -> Corpus:
    count = _GRADED if corpus.graded else _SAMPLE
    return sampled(corpus, count, count)


def _share(fewer: Corpus, corpus: Corpus) -> str:
    return (
        f"{corpus.name}: {len(fewer.questions)} of {len(corpus.questions)} questions, "
        f"{len(fewer.passages)} of {len(corpus.passages)} passages"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer questions, smaller memories")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--data", type=Path, help="folder with the folders cranfield and xquad")
    parser.add_argument("--vectors", type=Path, help="folder for vectors, kept between runs")
    parser.add_argument("--model", type=Path, help="a model of sentence-transformers, for its row")
    parser.add_argument("--store", default="memory:", help="address of the store, for quality")
    parser.add_argument("--only", type=_parts, default=PARTS, help=f"some of {','.join(PARTS)}")
    parser.add_argument("--sizes", type=_numbers, default=None, help="entries, for speed")
    parser.add_argument("--stores", nargs="+", metavar="ADDRESS", help="stores to compare")
    parser.add_argument("--million", type=Path, metavar="DIR", help="folder for its figures")
    parser.add_argument("--most", type=int, default=_GROWN[-1], help="most entries of --million")
    options = parser.parse_args(arguments)
    options.sizes = options.sizes or (speed.SIZES[:2] if options.quick else speed.SIZES)
    return options


def _parts(text: str) -> tuple[str, ...]:
    named = tuple(text.split(",")) if text else ()
    if unknown := set(named) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}")
    return named


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(int, text.split(","))))


async def _quality(found: Sequence[Corpus], options: argparse.Namespace) -> dict[str, float]:
    rows: dict[str, Mapping[str, float]] = {}
    if "quality" in options.only:
        rows |= await quality(
            found, default_embedder(), WAYS, store=options.store, kept=options.vectors
        )
        model = sentence_transformer(options.model)
        if options.quick and options.model is None:
            print("sentence-transformers is left out: no --model is named", file=sys.stderr)
        elif model is not None:
            ways = dict(zip(_TORCH, (WAYS["hybrid"], WAYS["with feedback"]), strict=True))
            rows |= await quality(found, model, ways, store=options.store, kept=options.vectors)
    if "peers" in options.only:
        rows |= await peers(found, default_embedder(), options.vectors, install=not options.quick)
    _show(rows)
    named: dict[str, float] = {}
    for way, row in rows.items():
        prefix = f"{OTHERS[way]}_" if way in OTHERS else ""
        named |= {f"{prefix}{name}": round(figure, 4) for name, figure in row.items()}
    return named


def _show(rows: Found) -> None:
    if rows:
        print(f"{'':22}" + "".join(f"{name:>25}" for name in FIGURES))
    for way, row in rows.items():
        shown = (f"{row[name]:25.3f}" if name in row else f"{'–':>25}" for name in FIGURES)
        print(f"{way:22}" + "".join(shown))


if __name__ == "__main__":
    main()
