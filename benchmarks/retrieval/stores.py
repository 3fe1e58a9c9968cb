"""The same questions asked of several stores: what each finds of what is really nearest."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from statistics import fmean
from typing import Final

import msgspec

from benchmarks.brokers import scratch
from benchmarks.retrieval import made
from benchmarks.retrieval.filled import NAMESPACE, rows
from benchmarks.retrieval.measures import recall
from pepperpy_memory_svc.language.analyser import analyser
from pepperpy_memory_svc.stores.memory import MemoryStore
from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.rows import Candidates, Scored, Wanted
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.language import Pipeline
from pepperpy_schemas.memory import Eq

LIMIT: Final = 10
IN_FOLDERS: Final = ("embedded:", "qdrant:", "qdrant-edge:")
"""Addresses that end with a folder; where none is given, one is made for the run."""
_PUT: Final = 500


class Agreement(msgspec.Struct, frozen=True):
    """What a store found, as shares of what the store in memory found.

    Attributes:
        vectors: Of the nearest ten.
        words: Of the best ten by BM25.
        tagged: Of the nearest ten that fulfil a condition.
    """

    vectors: float
    words: float
    tagged: float


async def compared(
    addresses: Sequence[str], *, entries: int, questions: int
) -> dict[str, Agreement]:
    """Prints and returns what each store finds; one that cannot be opened is left out.

    Args:
        addresses: The stores' addresses; of `IN_FOLDERS` without a folder one is made.
        entries: How many entries they are filled with.
        questions: How many questions they are asked.
    """
    asked = made.questions(entries, questions)
    async with MemoryStore() as exact:
        wanted = await _fill(exact, entries)
        truth = await _found(exact, wanted, asked)
    agreements: dict[str, Agreement] = {}
    print(f"\n{'store':16} {'vectors':>8} {'words':>8} {'with a condition':>17}")
    for address in addresses:
        name = address.partition(":")[0]
        try:
            async with AsyncExitStack() as stack:
                if address in IN_FOLDERS:
                    folder = stack.enter_context(scratch("store")) / "store"
                    address = f"{address}{folder}"  # noqa: PLW2901 - completed
                store = await stack.enter_async_context(open_store(address))
                found = await _found(store, await _fill(store, entries), asked)
        except PepperError as error:
            print(f"{name:16} cannot be asked: {error.message}")
            continue
        mine = agreements[name] = _agreement(found, truth)
        print(f"{name:16} {mine.vectors:8.4f} {mine.words:8.4f} {mine.tagged:17.4f}")
    return agreements


async def _fill(store: Store, entries: int) -> Wanted:
    embedding = await store.begin("embedding", "given@1", dims=made.DIMS)
    words = await store.begin("analyser", "given")
    now = datetime.now(UTC)
    for start in range(0, entries, _PUT):
        stop = min(entries, start + _PUT)
        new = list(made.entries(start, stop))
        await store.put(
            NAMESPACE, rows(new, made.vectors(start, stop), embedding, words, now), now=now
        )
    return Wanted(
        namespace=NAMESPACE, embedding=embedding.number, analyser=words.number, limit=LIMIT
    )


async def _found(
    store: Store, plain: Wanted, asked: Sequence[tuple[str, made.Floats]]
) -> list[tuple[Candidates, Candidates]]:
    """Returns what is found for each question, without and with a condition."""
    used = analyser("en", Pipeline())
    now = datetime.now(UTC)
    found = []
    for number, (text, vector) in enumerate(asked):
        lexemes = list(dict.fromkeys(token.lexeme for token in used.tokens(text)))
        wanted = msgspec.structs.replace(plain, vector=vector.tolist(), lexemes=lexemes)
        tagged = msgspec.structs.replace(wanted, where=Eq("metadata.tag", number % made.TAGS))
        found.append(
            (await store.candidates(wanted, now=now), await store.candidates(tagged, now=now))
        )
    return found


def _agreement(
    found: Sequence[tuple[Candidates, Candidates]], truth: Sequence[tuple[Candidates, Candidates]]
) -> Agreement:
    pairs = list(zip(found, truth, strict=True))
    return Agreement(
        vectors=fmean(_share(mine.vector, theirs.vector) for (mine, _), (theirs, _) in pairs),
        words=fmean(_share(mine.words, theirs.words) for (mine, _), (theirs, _) in pairs),
        tagged=fmean(_share(mine.vector, theirs.vector) for (_, mine), (_, theirs) in pairs),
    )


def _share(found: Sequence[Scored], wanted: Sequence[Scored]) -> float:
    return recall([each.id for each in found], [each.id for each in wanted])
