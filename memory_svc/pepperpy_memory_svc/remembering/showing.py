"""From ranked candidates to what is shown of them: a page of whole entries, with snippets."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from pepperpy_memory_svc.language.snippets import snippet
from pepperpy_memory_svc.ranking.ranking import Ranked, page
from pepperpy_memory_svc.remembering.access import Place
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.remembering.treatments import Treatment
from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_schemas.language import Analysis
from pepperpy_schemas.memory import Condition, Entry, SearchRequest

_LOOKED_AT: Final = 20_000
"""Characters of an entry in which the best part is looked for."""


async def shown(
    parts: Parts,
    place: Place,
    request: SearchRequest,
    where: Condition | None,
    found: list[Ranked],
) -> tuple[list[tuple[Ranked, Entry]], bool]:
    """Returns the page with whole entries, and whether there are more behind it.

    What is gone since it was found, or was changed and fits no more, makes room for the next.

    Args:
        parts: The parts of the service.
        place: The namespace.
        request: Which page is wanted.
        where: What every hit fulfils.
        found: All that was found, in its order.
    """
    while True:
        hits, more = page(found, request)
        entries = await _whole(parts, place, where, hits)
        gone = {hit.entry.id for hit in hits} - entries.keys()
        if not gone:
            return [(hit, entries[hit.entry.id]) for hit in hits], more
        found = [one for one in found if one.entry.id not in gone]


async def _whole(
    parts: Parts, place: Place, where: Condition | None, hits: Sequence[Ranked]
) -> Mapping[str, Entry]:
    whole = {hit.entry.id: hit.entry for hit in hits if isinstance(hit.entry, Entry)}
    briefs = [hit.entry.id for hit in hits if hit.entry.id not in whole]
    if briefs:
        fits = compile_condition(where)
        there = await parts.store.get(place.name, briefs, now=parts.clock())
        whole |= {id_: entry for id_, entry in there.items() if fits(entry)}
    return whole


async def snippets(
    parts: Parts, treatment: Treatment, entries: Sequence[Entry], words: Analysis
) -> list[str]:
    """Returns the part of each entry that shows best why it was found.

    Args:
        parts: The parts of the service.
        treatment: How texts became words.
        entries: The entries.
        words: The words of the question.
    """
    lexemes = frozenset(token.lexeme for token in words.tokens)
    looked_at = [_beginning(entry) for entry in entries]
    if not lexemes:
        return [snippet(entry.text, (), ()).of(entry.text) for entry in looked_at]
    found = await parts.index.words.found(treatment, looked_at, lexemes)
    return [
        snippet(entry.text, tokens, lexemes).of(entry.text)
        for entry, tokens in zip(looked_at, found, strict=True)
    ]


def _beginning(entry: Entry) -> Entry:
    if len(entry.text) <= _LOOKED_AT:
        return entry
    return msgspec.structs.replace(entry, text=entry.text[:_LOOKED_AT])
