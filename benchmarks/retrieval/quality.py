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
    "dense only": {"mode": "semantic"},
    "BM25 only": {"mode": "text"},
    "RRF60": {"fusion": Rrf(k=60)},
}
"""How each is asked; ``hybrid`` is the default of the service."""
_SHOWN = 10
_AT_A_TIME = 8
_PUT = 100


def judged(corpus: Corpus, rankings: Sequence[Sequence[str]]) -> float:
    """Returns nDCG@10 where answers are graded, else the share of questions answered at once.

    Args:
        corpus: The corpus.
        rankings: The ids found for each question, the best first.
    """
    measure = ndcg if corpus.graded else success
    pairs = zip(rankings, corpus.questions, strict=True)
    return fmean(measure(ranking, question.gains) for ranking, question in pairs)


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
    """Returns the figure of every corpus, by the way it is asked.

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
            return {
                way: {
                    corpus.figure: judged(corpus, await asked.rankings(corpus, options))
                    for corpus in corpora
                }
                for way, options in ways.items()
            }
