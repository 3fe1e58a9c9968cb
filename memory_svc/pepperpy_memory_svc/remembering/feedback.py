"""The second search of `ranking.feedback`: what the best hits say, asked of the store."""

import asyncio
from collections.abc import Sequence

import msgspec

from pepperpy_memory_svc.ranking.feedback import frequent, middle
from pepperpy_memory_svc.ranking.fusion import WINDOW
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.remembering.treatments import Treatment
from pepperpy_memory_svc.remembering.words import lexemes
from pepperpy_memory_svc.stores.rows import Candidates, Lexemes, Vector, Wanted


async def second_look(
    parts: Parts, wanted: Wanted, treatment: Treatment, best: Sequence[str]
) -> Candidates | None:
    """Returns what has the meaning and the words of the best hits; None when these have neither.

    Args:
        parts: The parts of the service.
        wanted: What was asked first; the second search has the legs that it had.
        treatment: How texts became words.
        best: The ids of the hits, the best first.
    """
    vectors, words = await asyncio.gather(
        _vectors(parts, wanted, best), _words(parts, wanted, treatment, best)
    )
    vector, common = middle(vectors), frequent(words)
    if vector is None and not common:
        return None
    # No more than get points for it: what is behind them is in the order of the first search.
    again = msgspec.structs.replace(wanted, vector=vector, lexemes=common, limit=WINDOW)
    return await parts.store.candidates(again, now=parts.clock())


async def _vectors(parts: Parts, wanted: Wanted, best: Sequence[str]) -> list[Vector]:
    if wanted.vector is None:
        return []
    found = await parts.store.vectors(
        wanted.namespace, best, embedding=wanted.embedding, now=parts.clock()
    )
    return [found[id_] for id_ in best if id_ in found]


async def _words(
    parts: Parts, wanted: Wanted, treatment: Treatment, best: Sequence[str]
) -> list[Lexemes]:
    if not wanted.lexemes:
        return []
    there = await parts.store.get(wanted.namespace, best, now=parts.clock())
    entries = [there[id_] for id_ in best if id_ in there]
    said = await asyncio.to_thread(parts.index.words.of_entries, treatment, entries)
    return [lexemes(each) for each in said]
