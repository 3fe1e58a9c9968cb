"""What BM25 has to know of namespaces: asked of Qdrant, remembered while nobody else can write."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pepperpy_memory_svc.stores.qdrant.engine import Engine
from pepperpy_memory_svc.stores.qdrant.points import of
from pepperpy_memory_svc.stores.qdrant.words import Corpus, corpus_of

_NAMESPACES: Final = 1000
_LEXEMES: Final = 50_000


class _Known(msgspec.Struct, frozen=True):
    corpus: Corpus
    frequencies: dict[int, int]


class Corpora:
    """The sums of namespaces.

    Args:
        engine: Where the points are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, int], _Known] = {}
        self._averages: dict[tuple[str, int], tuple[int, int]] = {}
        self._changes = 0

    def changed(self, namespace: str) -> None:
        """Forgets what is known of a namespace that was written to."""
        self._changes += 1
        for key in [each for each in self._known if each[0] == namespace]:
            del self._known[key]

    async def frequencies(
        self, namespace: str, gen: int, lexemes: Iterable[int]
    ) -> tuple[Corpus, dict[int, int]]:
        """Returns a generation's corpus, and in how many texts each lexeme is, by their digests."""
        asked = set(lexemes)
        changes = self._changes
        known = self._known.get((namespace, gen)) or _Known(await self._corpus(namespace, gen), {})
        missing = sorted(asked - set(known.frequencies))
        if missing:
            known.frequencies.update(await self._engine.tally(f"x{gen}", missing))
        if self._engine.exclusive and changes == self._changes:
            self._remember(namespace, gen, known)
        return known.corpus, {each: known.frequencies[each] for each in asked}

    async def average(self, namespace: str, gen: int, added: Sequence[int]) -> float:
        """Returns how many lexemes a text has, about: what is only supposed may be old.

        Args:
            namespace: Where the texts are.
            gen: The generation that has their lexemes.
            added: Lexemes of each text that is added now.
        """
        key = namespace, gen
        if key not in self._averages:
            corpus = await self._corpus(namespace, gen)
            if len(self._averages) >= _NAMESPACES:
                self._averages.clear()
            self._averages[key] = corpus.texts, corpus.length
        texts, length = self._averages[key]
        texts, length = texts + len(added), length + sum(added)
        self._averages[key] = texts, length
        return length / max(1, texts)

    def _remember(self, namespace: str, gen: int, known: _Known) -> None:
        if len(self._known) >= _NAMESPACES:
            self._known.clear()
        if len(known.frequencies) < _LEXEMES:
            self._known[namespace, gen] = known
        else:
            self._known.pop((namespace, gen), None)

    async def _corpus(self, namespace: str, gen: int) -> Corpus:
        return corpus_of(await self._engine.counts(f"l{gen}", of(namespace)))
