"""How well the service finds, asked over the bus: its default, and what it is made of."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.retrieval.corpora import Corpus
from benchmarks.retrieval.kept import KeptEmbedder
from benchmarks.retrieval.measures import ndcg, success
from benchmarks.retrieval.serving import Served, serving
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_schemas.memory import Rrf

WAYS: Mapping[str, Mapping[str, Any]] = {
    "hybrid": {},
    "with feedback": {"feedback": 3},
    "dense only": {"mode": "semantic"},
    "BM25 only": {"mode": "text"},
    "RRF60": {"fusion": Rrf(k=60)},
}
"""How each is asked; ``hybrid`` is the default of the service."""
_SHOWN = 10
_AT_A_TIME = 8
_PUT = 100


def judged(corpus: Corpus, rankings: Sequence[Sequence[str]]) -> dict[str, float]:
    """Returns a corpus' figures by their names.

    They are nDCG@10 where answers are graded, with their grades and as if all were equally good;
    else the share of questions answered at once.

    Args:
        corpus: The corpus.
        rankings: The ids found for each question, the best first.
    """
    pairs = list(zip(rankings, (one.gains for one in corpus.questions), strict=True))
    if not corpus.graded:
        (name,) = corpus.figures
        return {name: fmean(success(*pair) for pair in pairs)}
    plain = [(ranking, dict.fromkeys(gains, 1.0)) for ranking, gains in pairs]
    return {
        name: fmean(ndcg(*pair) for pair in each)
        for name, each in zip(corpus.figures, (pairs, plain), strict=True)
    }


@dataclass(frozen=True)
class Asked:
    """A memory with all passages in it.

    Attributes:
        served: The service.
    """

    served: Served

    async def fill(self, corpora: Sequence[Corpus]) -> None:
        """Puts the passages of each corpus into a namespace of its name."""
        for corpus in corpora:
            memory = self.served.memory.within(namespace=corpus.name)
            entries = [{"id": id_, "text": text} for id_, text in corpus.passages.items()]
            for start in range(0, len(entries), _PUT):
                await memory.put_many(entries[start : start + _PUT], timeout="1h")

    async def rankings(self, corpus: Corpus, options: Mapping[str, Any]) -> list[list[str]]:
        """Returns the ids found for each question of a corpus."""
        memory = self.served.memory.within(namespace=corpus.name)
        room = asyncio.Semaphore(_AT_A_TIME)

        async def ranking(text: str) -> list[str]:
            async with room:
                reply = await memory.search(text, limit=_SHOWN, timeout="10m", **options)
                return [hit.entry.id for hit in reply.hits]

        return await asyncio.gather(*(ranking(one.text) for one in corpus.questions))


async def quality(
    corpora: Sequence[Corpus],
    embedder: Embedder,
    ways: Mapping[str, Mapping[str, Any]],
    *,
    store: str,
    kept: Path | None,
) -> dict[str, dict[str, float]]:
    """Returns the figures of every corpus, by the way it is asked.

    Args:
        corpora: The corpora.
        embedder: What embeds, not open yet.
        ways: What is said of every search, by the way.
        store: The store's address.
        kept: Folder for vectors that are known; None for none.
    """
    async with (
        open_store(store) as opened,
        BatchedEmbedder(KeptEmbedder(embedder, kept)) as batched,
    ):

        async def only(_spec: str) -> BatchedEmbedder[Embedder]:
            return batched  # type: ignore[return-value]  # an embedder is one whatever is in it

        namespaces = {corpus.name: corpus.lang for corpus in corpora}
        async with serving(opened, only, embedder.name, namespaces) as served:
            asked = Asked(served)
            await asked.fill(corpora)
            rows: dict[str, dict[str, float]] = {way: {} for way in ways}
            for way, options in ways.items():
                for corpus in corpora:
                    rows[way] |= judged(corpus, await asked.rankings(corpus, options))
            return rows
