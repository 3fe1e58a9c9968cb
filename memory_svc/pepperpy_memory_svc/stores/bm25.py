"""Words of entries and which entries have them, scored by BM25; in memory."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from pepperpy_memory_svc.stores.rows import Lexemes

K1: Final = 1.2
"""How soon more of the same word counts no more."""
B: Final = 0.75
"""How much a long text's words count less."""

L = TypeVar("L")


def rarity(docs: int, holders: int) -> float:
    """Returns how much a lexeme counts that so many of the documents have: its idf."""
    return math.log(1 + (docs - holders + 0.5) / (holders + 0.5))


def telling(often: Mapping[L, int], holders: Mapping[L, int], docs: int, most: int) -> list[L]:
    """Returns the lexemes of a question that are looked for, of those that any document has.

    A long text has many that are in most texts, which take long and tell little.

    Args:
        often: How often each is in the question; of equally telling ones the first are taken.
        holders: How many documents have it.
        docs: How many documents there are.
        most: How many are looked for; 0 for all.
    """
    known = [each for each in often if holders.get(each)]
    if not most or len(known) <= most:
        return known
    return sorted(known, key=lambda each: -often[each] * rarity(docs, holders[each]))[:most]


class Postings:
    """The lexemes of a namespace's entries."""

    def __init__(self) -> None:
        self._entries: dict[str, Counter[str]] = {}
        self._lengths: dict[str, int] = {}
        self._holders: dict[str, dict[str, int]] = {}
        self._total = 0

    def __contains__(self, id: object) -> bool:  # noqa: A002 - as in Entry
        return id in self._entries

    def put(self, id: str, lexemes: Lexemes) -> None:  # noqa: A002 - as in Entry
        """Takes an entry's lexemes in the place of those that it had."""
        self.remove(id)
        counted = Counter(lexemes)
        self._entries[id] = counted
        self._lengths[id] = len(lexemes)
        self._total += len(lexemes)
        for lexeme, number in counted.items():
            self._holders.setdefault(lexeme, {})[id] = number

    def remove(self, id: str) -> None:  # noqa: A002 - as in Entry
        """Forgets an entry; one that is not there is no error."""
        for lexeme in self._entries.pop(id, ()):
            holders = self._holders[lexeme]
            del holders[id]
            if not holders:
                del self._holders[lexeme]
        self._total -= self._lengths.pop(id, 0)

    def search(
        self, lexemes: Iterable[str], allowed: Callable[[str], bool], limit: int, most: int = 0
    ) -> list[tuple[str, float]]:
        """Returns the best of the allowed entries that have one of these lexemes.

        Args:
            lexemes: The lexemes, as often as they are in the question.
            allowed: Says which entries may be found.
            limit: How many entries.
            most: How many lexemes are looked for, see `telling`.
        """
        often = Counter(sorted(lexemes))
        holders = {each: len(self._holders.get(each, ())) for each in often}
        scores: dict[str, float] = {}
        for lexeme in telling(often, holders, len(self._entries), most):
            for id_, score in self._scores(lexeme):
                scores[id_] = scores.get(id_, 0.0) + score
        found: list[tuple[str, float]] = []
        for id_, score in sorted(scores.items(), key=_best_first):
            if allowed(id_):
                found.append((id_, score))
                if len(found) == limit:
                    break
        return found

    def _scores(self, lexeme: str) -> Iterable[tuple[str, float]]:
        holders = self._holders.get(lexeme, {})
        rare = rarity(len(self._entries), len(holders))
        average = self._total / max(1, len(self._entries))
        for id_, number in holders.items():
            length = 1 - B + B * self._lengths[id_] / average
            yield id_, rare * number * (K1 + 1) / (number + K1 * length)


def _best_first(scored: tuple[str, float]) -> tuple[float, str]:
    return -scored[1], scored[0]
