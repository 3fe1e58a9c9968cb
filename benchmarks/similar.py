"""Measures which questions get the stored answer to a similar one, rightly or wrongly.

    python benchmarks/similar.py --data DIR [--embedder NAME] [--quick] [--json]

DIR holds `xquad.en.json` and `xquad.de.json` (XQuAD, CC BY-SA 4.0), or a folder `xquad` with them:
1190 questions about 240 paragraphs, in two languages. All English ones are remembered by a memory
service behind a nats-server, as the provider service has them remembered. Then are asked:

- `new`: each of them as if it were not remembered, so that whatever answers is another one;
- `careless`: each with a greeting, without capitals, or with a please;
- `german`: each in German; `german new`: the same as if it were not remembered.

An answer is right when it was given to the same question, or when XQuAD has the same answer for
both. Thresholds are chosen on articles of even numbers: the lowest by which no more than one in a
hundred new questions gets a wrong answer. What thresholds do is shown on the others, and told of
those that the service has for this embedder, or of the chosen ones where it has none.
`questions.tsv` has everyday questions, the same in other words, and another one that differs in a
word. The last line of `--json` is one flat object; figures are shares.
"""

import argparse
import asyncio
import contextlib
import csv
import json
import string
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.brokers import nats_server
from pepperpy_bus.client import Client
from pepperpy_bus.config.values import MemorySettings, Secret
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Service, call
from pepperpy_memory_svc.offer import Offer
from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser
from pepperpy_memory_svc.remembering.memory import NAME, Memory
from pepperpy_provider_svc.cache.likeness import likeness_of
from pepperpy_provider_svc.cache.similar import closest, cosine, one_language
from pepperpy_provider_svc.cache.thresholds import threshold_of
from pepperpy_provider_svc.cache.wording import reordered
from pepperpy_provider_svc.declared.models import Semantic, Threshold
from pepperpy_provider_svc.routing.route import Route, RouteTarget
from pepperpy_schemas.chat import ChatMessage, ChatRequest
from pepperpy_schemas.memory import Hit, SearchReply

ALLOWED = 0.01
"""Share of new questions that may get a wrong answer."""
GRID = [round(0.8 + step * 0.005, 3) for step in range(41)]
PAIRS = Path(__file__).with_name("questions.tsv")
CARELESS: tuple[Callable[[str], str], ...] = (
    lambda text: f"Hi! {text} Thanks.",
    lambda text: text.lower().rstrip("? "),
    lambda text: f"Please tell me: {text}",
)
SEMANTIC = Semantic(namespace="main")
ROUTE = Route((RouteTarget("any", "model"),))
PRINCIPAL = "anon"


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes:
        id: Its id, the same in all languages.
        text: The question.
        answer: What the paragraph answers, in English.
        tuned: Whether thresholds are chosen by it.
    """

    id: str
    text: str
    answer: str
    tuned: bool


@dataclass(frozen=True)
class Score:
    """The best hit of a question.

    Attributes:
        tuned: Whether thresholds are chosen by it.
        cosine: How similar both are.
        one: Whether both were taken for one language.
        right: Whether its answer does.
    """

    tuned: bool
    cosine: float
    one: bool
    right: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with xquad.<lang>.json")
    parser.add_argument("--embedder", default="e5", help="as settings name it")
    parser.add_argument("--quick", action="store_true", help="eight articles")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args(arguments)
    folder = options.data / "xquad" if (options.data / "xquad").is_dir() else options.data
    most = 8 if options.quick else 1000
    english, german = (read(folder / f"xquad.{lang}.json", most) for lang in ("en", "de"))
    answers = {one.id: one.answer for one in english}
    scores, everyday = asyncio.run(run(options.embedder, english, german, answers))
    figures = report(scores, everyday, threshold_of(SEMANTIC, f"{options.embedder}@"))
    if options.json:
        print(json.dumps(figures))


def read(path: Path, articles: int) -> list[Question]:
    """Returns the questions of a file of XQuAD."""
    return [
        Question(each["id"], each["question"], each["answers"][0]["text"], number % 2 == 0)
        for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"][:articles])
        for paragraph in article["paragraphs"]
        for each in paragraph["qas"]
    ]


async def run(
    embedder: str, english: list[Question], german: list[Question], answers: dict[str, str]
) -> tuple[dict[str, list[Score]], list[tuple[Score, Score]]]:
    """Returns the scores by what was asked, and those of everyday questions."""
    async with remembering(embedder) as client:
        await put(client, [(one.id, one.text) for one in english])
        careless = [
            Question(one.id, CARELESS[place % len(CARELESS)](one.text), one.answer, one.tuned)
            for place, one in enumerate(english)
        ]
        scores = {
            "new": await ask(client, english, answers, own=False),
            "careless": await ask(client, careless, answers, own=True),
            "german": await ask(client, german, answers, own=True),
            "german new": await ask(client, german, answers, own=False),
        }
    async with remembering(embedder) as client:
        return scores, await ask_pairs(client)


@contextlib.asynccontextmanager
async def remembering(embedder: str) -> AsyncIterator[Client]:
    """A memory service that has nothing yet, and a client of it."""
    settings = MemorySettings(
        url=Secret("memory://"),
        declaration=None,
        embedder=embedder,
        cache=64 * 2**20,
        purge=3600.0,
        concurrency=32,
        waiting=256,
        grace=1.0,
    )
    async with contextlib.AsyncExitStack() as stack:
        broker = stack.enter_context(nats_server())
        client = await stack.enter_async_context(connect(broker.url))
        offer = await stack.enter_async_context(Offer(client, settings, LanguageAnalyser()))
        endpoints = Memory(lambda: offer.parts, replica="bench").endpoints()
        where = (client.connection, client.prefix, NAME)
        service = Service(*where, version="1.0.0", endpoints=endpoints)
        await stack.enter_async_context(service)
        yield client


async def put(client: Client, questions: Iterable[tuple[str, str]]) -> None:
    """Has questions remembered as the provider service does it."""
    said = [
        {"id": id_, "text": likeness.question, "metadata": {"likeness": likeness.key}}
        for id_, text in questions
        if (likeness := likeness_of(PRINCIPAL, request(text), ROUTE)) is not None
    ]
    for start in range(0, len(said), 100):
        await client.memory.put_many(said[start : start + 100], timeout="10m")


def request(text: str) -> ChatRequest:
    """What a model would be asked."""
    return ChatRequest(messages=[ChatMessage("user", text)], temperature=0.0)


async def ask(
    client: Client, questions: list[Question], answers: dict[str, str], *, own: bool
) -> list[Score]:
    """Returns the best hit of every question; without its own, if that shall not be there."""
    scores: list[Score] = []
    for start in range(0, len(questions), 16):
        some = questions[start : start + 16]
        found = await asyncio.gather(*(find(client, one.text) for one in some))
        for one, reply in zip(some, found, strict=True):
            hit = best(one.text, reply, but="" if own else one.id)
            if hit is None:
                scores.append(Score(one.tuned, -1.0, True, False))
                continue
            id_ = hit.entry.id
            right = id_ == one.id or agree(answers[id_], answers[one.id])
            same = one_language(one.text, reply, hit)
            scores.append(Score(one.tuned, cosine(hit), same, right))
    return scores


def best(text: str, reply: SearchReply, *, but: str = "") -> Hit | None:
    """Returns the nearest hit, but one, that the provider service would look at."""
    hits = (hit for hit in reply.hits if hit.entry.id != but)
    return next((hit for hit in hits if not reordered(text, hit.entry.text)), None)


async def find(client: Client, text: str) -> SearchReply:
    """Asks the memory service as the provider service does."""
    likeness = likeness_of(PRINCIPAL, request(text), ROUTE)
    assert likeness is not None, "questions are short"
    wanted = closest(likeness, SEMANTIC, PRINCIPAL, limit=5)
    where = (client.connection, client.prefix, NAME, "search", wanted)
    return await call(*where, principal=PRINCIPAL, type=SearchReply, timeout=600.0)


async def ask_pairs(client: Client) -> list[tuple[Score, Score]]:
    """Returns the scores of everyday questions in other words, and of those that differ."""
    with PAIRS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    await put(client, ((f"q{place}", row["question"]) for place, row in enumerate(rows)))
    pairs = []
    for place, row in enumerate(rows):
        both = []
        for column in ("in other words", "another question"):
            reply = await find(client, row[column])
            hit = best(row[column], reply)
            if hit is None:
                both.append(Score(False, -1.0, True, False))
                continue
            right = column == "in other words" and hit.entry.id == f"q{place}"
            same = one_language(row[column], reply, hit)
            both.append(Score(False, cosine(hit), same, right))
        pairs.append((both[0], both[1]))
    return pairs


def agree(one: str, other: str) -> bool:
    """Whether two answers of XQuAD say the same: equal, or one inside of the other."""
    first, second = (f" {' '.join(_words(text))} " for text in (one, other))
    return bool(first.strip() and second.strip()) and (first in second or second in first)


def _words(text: str) -> list[str]:
    plain = text.lower().translate(str.maketrans("", "", string.punctuation))
    return [word for word in plain.split() if word not in ("a", "an", "the")]


# --- the report ---------------------------------------------------------------------------------


def shares(scores: Sequence[Score], same: float, other: float) -> tuple[float, float]:
    """Returns the shares of questions that get a right answer, and a wrong one."""
    hits = [one for one in scores if one.cosine >= (same if one.one else other)]
    right = sum(one.right for one in hits)
    return right / len(scores), (len(hits) - right) / len(scores)


def chosen(scores: Sequence[Score], *, one: bool) -> float:
    """Returns the lowest threshold of one language, or of two, that is allowed."""
    for threshold in GRID:
        bounds = (threshold, 2.0) if one else (2.0, threshold)
        if shares(scores, *bounds)[1] <= ALLOWED:
            return threshold
    return 1.0


def report(
    scores: dict[str, list[Score]],
    everyday: list[tuple[Score, Score]],
    shipped: Threshold | None,
) -> dict[str, float]:
    """Prints what thresholds do, and returns the figures of those in use: shipped, or chosen."""
    tuned = {kind: [one for one in found if one.tuned] for kind, found in scores.items()}
    shown = {kind: [one for one in found if not one.tuned] for kind, found in scores.items()}
    best = chosen(tuned["new"], one=True), chosen(tuned["german new"], one=False)
    same, other = best if shipped is None else (shipped.same, shipped.other)
    kinds = ("new", "careless", "german", "german new")
    print("right/wrong in %, on the articles that nothing was chosen by")
    print(f"{'threshold':>10} " + " ".join(f"{kind:>14}" for kind in kinds))
    for threshold in (0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99):
        cells = (shares(shown[kind], threshold, threshold) for kind in kinds)
        print(f"{threshold:>10} " + " ".join(_cell(*cell) for cell in cells))
    print(f"chosen: {best[0]} in one language, {best[1]} in two; in use: {same} and {other}")
    figures = {"chosen_same": best[0], "chosen_other": best[1], "same": same, "other": other}
    for kind in kinds:
        right, wrong = shares(shown[kind], same, other)
        print(f"{kind:>14} {_cell(right, wrong)} of {len(shown[kind])}")
        name = kind.replace(" ", "_")
        figures |= {f"{name}_right": round(right, 4), f"{name}_wrong": round(wrong, 4)}
    figures["reworded_right"] = shares([one for one, _ in everyday], same, other)[0]
    figures["one_word_wrong"] = shares([one for _, one in everyday], same, other)[1]
    print(
        f"everyday questions: {figures['reworded_right']:.1%} of those in other words get the "
        f"answer, and {figures['one_word_wrong']:.1%} of others that differ in a word"
    )
    return figures


def _cell(right: float, wrong: float) -> str:
    return f"{100 * right:>7.1f}/{100 * wrong:<6.1f}"


if __name__ == "__main__":
    main()
