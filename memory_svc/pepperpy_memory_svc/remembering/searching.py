"""Searches: from a question to hits with snippets and explained scores."""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

import msgspec

from pepperpy_memory_svc.ranking.context import add_links, add_neighbours, givers, links, turns
from pepperpy_memory_svc.ranking.feedback import add_feedback
from pepperpy_memory_svc.ranking.fusion import Parts as Scores
from pepperpy_memory_svc.ranking.fusion import fused, head
from pepperpy_memory_svc.ranking.ranking import Ranked, add_bonuses, check_page, pool, ranked
from pepperpy_memory_svc.remembering.access import Place
from pepperpy_memory_svc.remembering.feedback import second_look
from pepperpy_memory_svc.remembering.index import Current
from pepperpy_memory_svc.remembering.parts import Parts
from pepperpy_memory_svc.remembering.showing import shown, snippets
from pepperpy_memory_svc.remembering.treatments import Treatment
from pepperpy_memory_svc.remembering.words import lexemes
from pepperpy_memory_svc.stores.checking import CALLERS_DEPTH, CALLERS_PARTS, check_condition
from pepperpy_memory_svc.stores.rows import Known, Vector, Wanted
from pepperpy_schemas.errors import BadPayload, NotFound
from pepperpy_schemas.language import Analysis
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Entry,
    Eq,
    Hit,
    In,
    Not,
    SearchReply,
    SearchRequest,
)

_NOBODY: Final = Analysis(lang="")
_TELLING: Final = 32
"""Different words of a question that are looked for, at most; hardly any question has more."""
_TELLING_OF_ENTRIES: Final = 20
"""The same of an entry whose likes are wanted. With as many of Cranfield's abstracts, or of their
beginnings, what is found answers the same questions as often as with all words."""
_SURE: Final = 0.9
"""Confidence from which on a question's language is taken for known."""


class _Asked(msgspec.Struct, frozen=True):
    """A question made ready.

    Attributes:
        vector: Its vector; None for words alone.
        words: Its words; none for vectors alone.
        treatment: How they became that.
        where: What every hit fulfils.
        embedder: Whose vector it is.
    """

    vector: Vector | None
    words: Analysis
    treatment: Treatment
    where: Condition | None
    embedder: str = ""


async def search(parts: Parts, place: Place, request: SearchRequest) -> SearchReply:
    """Returns what answers a question, the best first.

    Raises:
        BadPayload: It asks for nothing, or a field does not fit.
        NotFound: The entry whose likes are wanted is not there.
    """
    _refuse_empty(request)
    check_page(request)
    if request.where is not None:
        check_condition(request.where, depth=CALLERS_DEPTH, parts=CALLERS_PARTS)

    async def work(current: Current) -> tuple[_Asked, list[Ranked]]:
        asked = await _asked(parts, place, request, current)
        return asked, await _ranked(parts, place, request, current, asked)

    asked, found = await parts.index.agreed(work)
    hits, more = await shown(parts, place, request, asked.where, found)
    entries = [entry for _, entry in hits]
    if request.touch:
        renewed = [entry.id for entry in entries if entry.ttl]
        await parts.store.touch(place.name, renewed, now=parts.clock())
    texts = await snippets(parts, asked.treatment, entries, asked.words)
    return SearchReply(
        hits=[
            Hit(entry, one.score, text, one.parts if request.explain else {})
            for (one, entry), text in zip(hits, texts, strict=True)
        ],
        more=more,
        lang=asked.words.lang,
        embedder=asked.embedder,
    )


# --- the question -------------------------------------------------------------------------------


def _refuse_empty(request: SearchRequest) -> None:
    if not request.text.strip() and request.like is None and request.vector is None:
        raise BadPayload(
            "$.text: the question is empty",
            hint="give text, vector or like",
            context={"path": "$.text"},
        )
    if request.mode == "text" and not request.text.strip() and request.like is None:
        raise BadPayload("$.text: a search of words needs it", context={"path": "$.text"})


async def _asked(parts: Parts, place: Place, request: SearchRequest, current: Current) -> _Asked:
    like = await _like(parts, place, request)
    text = request.text if like is None or request.text.strip() else like.text
    lang = like.lang if like is not None and text is like.text else ""
    # Beside each other: an embedder takes its milliseconds in a thread of its own.
    vector, words = await asyncio.gather(
        _vector(parts, place, request, current, text),
        _words(parts, place, request, current, text, lang),
    )
    where = visible(request)
    if like is not None:
        where = _both(where, Not(Eq("id", like.id)))
    embedder = "" if vector is None else current.embedding.name
    return _Asked(vector, words, current.treatments.of(place.name), where, embedder)


def _direction(vector: Vector) -> Vector:
    """A caller's vector with the length 1, whatever it had; a store refuses one that has none."""
    length = math.hypot(*vector)
    return [one / length for one in vector] if length and math.isfinite(length) else vector


async def _like(parts: Parts, place: Place, request: SearchRequest) -> Entry | None:
    if request.like is None:
        return None
    there = await parts.store.get(place.name, [request.like], now=parts.clock())
    if request.like not in there:
        raise NotFound(
            f"there is no entry {request.like}", context={"id": request.like, "path": "$.like"}
        )
    return there[request.like]


async def _words(
    parts: Parts, place: Place, request: SearchRequest, current: Current, text: str, lang: str
) -> Analysis:
    if request.mode == "semantic" or not text:
        return _NOBODY
    embeds = request.mode != "text" and request.vector is None
    treatment = current.treatments.of(place.name)
    return await parts.index.words.asked(treatment, text, lang, beside=embeds)


async def _vector(
    parts: Parts, place: Place, request: SearchRequest, current: Current, text: str
) -> Vector | None:
    if request.mode == "text":
        return None
    if request.vector is not None:
        return _direction(request.vector)
    if request.like is not None and not request.text.strip():
        kept = await parts.store.vectors(
            place.name, [request.like], embedding=current.embedding.number, now=parts.clock()
        )
        return kept.get(request.like)
    return await parts.index.question(current, text, "passage" if request.alike else "query")


def visible(request: SearchRequest) -> Condition | None:
    """Returns what every hit fulfils: the request's own condition, and for whom entries are.

    A conversation or an agent that is named sees its own and what is for all; where neither is,
    nothing is left out.
    """
    whose: list[Condition] = []
    for name in ("session", "agent"):
        value = getattr(request, name)
        if value:
            whose.append(AllOf([Eq("scope", name), Eq(name, value)]))
    where = request.where
    if whose:
        where = _both(where, AnyOf([Eq("scope", "global"), *whose]))
    if request.scopes:
        where = _both(where, In("scope", list(request.scopes)))
    return where


def _both(one: Condition | None, other: Condition) -> Condition:
    return other if one is None else AllOf([one, other])


# --- the hits -----------------------------------------------------------------------------------


async def _ranked(
    parts: Parts, place: Place, request: SearchRequest, current: Current, asked: _Asked
) -> list[Ranked]:
    wanted = Wanted(
        namespace=place.name,
        vector=asked.vector,
        embedding=current.embedding.number,
        lexemes=lexemes(asked.words),
        telling=_TELLING if request.like is None else _TELLING_OF_ENTRIES,
        analyser=current.analyser.number,
        where=asked.where,
        limit=pool(request),
        brief=True,
        bare=not _looks_around(request),
    )
    candidates = await parts.store.candidates(wanted, now=parts.clock())
    words = asked.words
    scores = fused(candidates, request, words.lang if words.confidence >= _SURE else "")
    entries = dict(candidates.known)
    # Only these get more than their place in a leg, so that pages neither lose nor repeat a hit.
    first = {id_: scores[id_] for id_ in head(candidates)}
    if request.feedback:
        best = [one.entry.id for one in ranked(first, entries, None)[: request.feedback]]
        second = await second_look(parts, wanted, asked.treatment, best)
        if second is not None:
            for id_, known in second.known.items():
                entries.setdefault(id_, known)
            add_feedback(first, second, request)
    if request.neighbours is not None or request.links:
        await _add_context(parts, place, request, asked.where, first, entries)
    add_bonuses(first, entries, request, parts.clock())
    return ranked(scores | first, entries, request.min_score, first)


def _looks_around(request: SearchRequest) -> bool:
    """Whether the order depends on more of an entry than its text."""
    return bool(
        request.neighbours or request.links or request.recency is not None or request.importance
    )


async def _add_context(
    parts: Parts,
    place: Place,
    request: SearchRequest,
    where: Condition | None,
    scores: dict[str, Scores],
    entries: dict[str, Known],
) -> None:
    given = givers(scores)
    now = parts.clock()
    rule = request.neighbours
    near: Sequence[Entry] = []
    if rule is not None:
        # Who stands before an entry has that entry behind it.
        near = await parts.store.neighbours(
            place.name,
            turns(given, entries),
            before=rule.after,
            after=rule.before,
            now=now,
            where=where,
        )
    linked = links(given, entries)[:1000] if request.links else []
    missing = [id_ for id_ in linked if id_ not in entries]
    if missing:
        both = _both(where, In("id", list(missing)))
        near = [*near, *await parts.store.scan(place.name, now=now, where=both)]
    for entry in near:
        entries.setdefault(entry.id, entry)
    # What a candidate behind the head had in its leg is not known on the first pages.
    for id_ in (*(entry.id for entry in near), *(id_ for id_ in linked if id_ in entries)):
        scores.setdefault(id_, {})
    if rule is not None:
        add_neighbours(scores, given, entries, rule)
    if request.links:
        add_links(scores, given, entries, request.links)
