"""How long searches take in a memory: over the bus, in the service, and in the store."""

import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.retrieval import made
from benchmarks.retrieval.embedders import default_embedder
from benchmarks.retrieval.filled import NAMESPACE, Filled
from pepperpy_memory_svc.remembering import searching
from pepperpy_schemas.memory import Neighbours, Recency, SearchReply, SearchRequest

LIMIT: Final = 10
KINDS: Final = ("hybrid", "semantic", "text", "contextual", "similar")
"""The kinds that a client asks for."""
HERE: Final = "hybrid in the service"
"""The same as ``hybrid``, without the bus."""
EMBEDDED: Final = "hybrid, embedded"
"""The same as that, while the default model embeds the question, whose time is left out."""
_WARM: Final = 10

Ask = Callable[[str], Awaitable[SearchReply]]


@dataclass
class Took:
    """Milliseconds of one kind of search.

    Attributes:
        whole: From the request to its answer, without what a model took.
        store: What of these the store took.
    """

    whole: list[float] = field(default_factory=list)
    store: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.whole)

    @property
    def store_p50(self) -> float:
        """The median in the store."""
        return median(self.store)

    @property
    def over_store_p50(self) -> float:
        """The median of what is added to the store's time, search by search."""
        return median(whole - part for whole, part in zip(self.whole, self.store, strict=True))


async def searches(filled: Filled, count: int) -> dict[str, Took]:
    """Asks questions, every kind of search in turn; returns what each kind took.

    No question is asked twice: its words would be known.

    Args:
        filled: The memory; vectors of its entries and questions are known, none is computed.
        count: How many questions of each kind.
    """
    kinds = _kinds(filled)
    asked = made.questions(filled.size, (count + _WARM) * len(kinds))
    await filled.know(asked)
    took = {kind: Took() for kind in kinds}
    async with default_embedder() as model:
        for number, ((text, _), kind) in enumerate(
            zip(asked, itertools.cycle(kinds), strict=False)
        ):
            filled.store.seconds = filled.embedder.seconds = 0.0
            filled.embedder.model = model if kind == EMBEDDED else None
            began = time.perf_counter()
            reply = await kinds[kind](text)
            seconds = time.perf_counter() - began - filled.embedder.seconds
            # A question of seldom words, or of stop words alone, has fewer entries with its words.
            assert kind == "text" or len(reply.hits) == LIMIT, (kind, text)
            if number >= _WARM * len(kinds):
                took[kind].whole.append(seconds * 1000)
                took[kind].store.append(filled.store.seconds * 1000)
    return took


def _kinds(filled: Filled) -> Mapping[str, Ask]:
    memory = filled.served.memory.within(namespace=NAMESPACE)
    place, parts = filled.served.place(NAMESPACE), filled.served.parts
    likes = itertools.count()

    async def here(text: str) -> SearchReply:
        return await searching.search(parts, place, SearchRequest(text=text, limit=LIMIT))

    def similar(_: str) -> Awaitable[SearchReply]:
        return memory.similar(made.entry_id(next(likes) * 7919 % filled.size), limit=LIMIT)

    return {
        "hybrid": lambda text: memory.search(text, limit=LIMIT),
        HERE: here,
        EMBEDDED: here,
        "semantic": lambda text: memory.search(text, limit=LIMIT, mode="semantic"),
        "text": lambda text: memory.search(text, limit=LIMIT, mode="text"),
        "contextual": lambda text: memory.search(
            text, limit=LIMIT, neighbours=Neighbours(), recency=Recency(), importance=0.1
        ),
        "similar": similar,
    }
