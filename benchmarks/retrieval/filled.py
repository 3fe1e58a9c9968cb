"""A memory service with as many made-up entries as wanted, in a PostgreSQL of its own."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from benchmarks.retrieval import made
from benchmarks.retrieval.serving import Served, serving
from benchmarks.retrieval.timed import GivenEmbedder, TimedStore
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.language.analyser import analyser
from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser
from pepperpy_memory_svc.stores.rows import Generation, Row
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.language import Pipeline
from pepperpy_schemas.memory import Entry, NewEntry

NAMESPACE: Final = "made"
_PUT: Final = 1000
_BEFORE: Final = "before"
"""The embedder of the generation that has no vectors."""
_AFTER: Final = "given"


@dataclass
class Filled:
    """A service with entries.

    Attributes:
        served: The service.
        store: Its store, which tells how long its searches take.
        size: How many entries are there.
        embedder: What knows their vectors.
        seconds: What putting them took, without vectors.
    """

    served: Served
    store: TimedStore
    size: int
    embedder: GivenEmbedder
    seconds: float

    async def know(self, questions: Sequence[tuple[str, made.Floats]]) -> None:
        """Makes the vectors of questions known."""
        for text, vector in questions:
            self.embedder.know([text], vector[None, :])

    async def reindexed(self) -> float:
        """Makes all vectors anew, over the bus; returns the seconds that it took."""
        began, current = time.perf_counter(), False
        async for progress in self.served.memory.reindex(_AFTER, idle="1h"):
            current = progress.current
        assert current, "it ends when the new vectors are searched"
        return time.perf_counter() - began


@asynccontextmanager
async def filled(store: Store, size: int) -> AsyncIterator[Filled]:
    """Serves a store after having put entries into it, whose vectors are yet to be made.

    Args:
        store: The store, open and empty.
        size: How many entries.
    """
    embedder = GivenEmbedder()
    timed = TimedStore(store)
    began = time.perf_counter()
    await _put(store, embedder, size)
    seconds = time.perf_counter() - began
    async with BatchedEmbedder(embedder) as batched:

        async def only(_spec: str) -> BatchedEmbedder[Embedder]:
            return batched  # type: ignore[return-value]  # an embedder is one whatever is in it

        async with serving(timed.as_store, only, _BEFORE, {NAMESPACE: "en"}) as served:
            yield Filled(served, timed, size, embedder, seconds)


async def _put(store: Store, embedder: GivenEmbedder, size: int) -> None:
    before = await store.begin("embedding", f"{_BEFORE}@{embedder.version}", dims=made.DIMS)
    words = await store.begin("analyser", LanguageAnalyser().version(Pipeline()))
    now = datetime.now(UTC)
    for start in range(0, size, _PUT):
        stop = min(size, start + _PUT)
        new = list(made.entries(start, stop))
        embedder.know([one.text for one in new], made.vectors(start, stop))
        await store.put(NAMESPACE, rows(new, None, before, words, now), now=now)


def rows(
    new: Sequence[NewEntry],
    vectors: made.Floats | None,
    embedding: Generation,
    words: Generation,
    now: datetime,
) -> list[Row]:
    """Returns entries with their words, and with their vectors where these are given."""
    used = analyser("en", Pipeline())
    return [
        Row(
            entry=_entry(one, now),
            vectors={embedding.number: None if vectors is None else vectors[place].tolist()},
            lexemes={words.number: [token.lexeme for token in used.tokens(one.text)]},
        )
        for place, one in enumerate(new)
    ]


def _entry(new: NewEntry, now: datetime) -> Entry:
    assert new.id is not None
    assert new.at is not None
    return Entry(
        id=new.id,
        namespace=NAMESPACE,
        text=new.text,
        lang=new.lang,
        session=new.session,
        importance=new.importance,
        metadata=new.metadata,
        at=new.at,
        created=now,
        updated=now,
    )
