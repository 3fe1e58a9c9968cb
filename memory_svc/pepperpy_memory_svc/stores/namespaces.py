"""The entries of one namespace with their indexes, in memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pepperpy_memory_svc.stores.bm25 import Postings
from pepperpy_memory_svc.stores.exact import Vectors
from pepperpy_memory_svc.stores.rows import Earlier, Generation, Row
from pepperpy_memory_svc.stores.store import KEPT_VERSIONS
from pepperpy_memory_svc.stores.values import cut
from pepperpy_memory_svc.stores.writing import alive, stored
from pepperpy_schemas.memory import Entry


class Namespace:
    """What a namespace holds; nothing here waits, so each change is seen whole."""

    def __init__(self) -> None:
        self.gone = 0
        self.entries: dict[str, Entry] = {}
        self.earlier: dict[str, list[Earlier]] = {}
        self.vectors: dict[int, Vectors] = {}
        self.postings: dict[int, Postings] = {}

    def live(self, now: datetime) -> Iterator[Entry]:
        """Iterates over the entries that are not expired."""
        return (each for each in self.entries.values() if alive(each, now) is not None)

    def there(self, id: str, now: datetime) -> Entry | None:  # noqa: A002 - as in Entry
        """Returns an entry that is not expired."""
        return alive(self.entries.get(id), now)

    def plan(self, rows: Iterable[Row], now: datetime) -> list[tuple[Row, Entry]]:
        """Returns the entries as they are going to be stored; changes nothing."""
        last: dict[str, int] = {}
        planned = []
        for row in rows:
            session = row.entry.session
            highest = last.get(session, self._last(session) if session else 0)
            before = self.entries.get(row.entry.id)
            entry = stored(row, before, now=now, last=highest, gone=self.gone)
            last[session] = max(highest, entry.seq)
            planned.append((row, entry))
        return planned

    def _last(self, session: str) -> int:
        seqs = (each.seq for each in self.entries.values() if each.session == session)
        return max(seqs, default=0)

    def put(self, row: Row, entry: Entry, generations: Iterable[Generation], now: datetime) -> None:
        """Stores an entry that was planned."""
        before = self.there(entry.id, now)
        if before is None:
            self.earlier.pop(entry.id, None)
        else:
            past = [Earlier(before, entry.updated), *self.earlier.get(entry.id, [])]
            self.earlier[entry.id] = past[:KEPT_VERSIONS]
        same = before is not None and before.text == entry.text
        self.entries[entry.id] = entry
        for generation in generations:
            self._index(row, generation, keep=same)

    def _index(self, row: Row, generation: Generation, *, keep: bool) -> None:
        given = row.vectors if generation.kind == "embedding" else row.lexemes
        if given is None and keep:
            return
        self.unindex(row.entry.id, generation.number)
        if row.vectors is not None and generation.number in row.vectors:
            self.vectors_of(generation).put(row.entry.id, row.vectors[generation.number])
        if row.lexemes is not None and generation.number in row.lexemes:
            words = cut(row.lexemes[generation.number])
            self.postings_of(generation.number).put(row.entry.id, words)

    def remove(self, id: str) -> None:  # noqa: A002 - as in Entry
        """Removes an entry, its history and what makes it findable."""
        entry = self.entries.pop(id, None)
        if entry is not None:
            self.gone = max(self.gone, entry.version)
        self.earlier.pop(id, None)
        for number in (*self.vectors, *self.postings):
            self.unindex(id, number)

    def unindex(self, id: str, number: int) -> None:  # noqa: A002 - as in Entry
        """Removes what a generation has for an entry."""
        if number in self.vectors:
            self.vectors[number].remove(id)
        if number in self.postings:
            self.postings[number].remove(id)

    def vectors_of(self, generation: Generation) -> Vectors:
        """Returns the vectors of a generation, for as many as have been put."""
        return self.vectors.setdefault(generation.number, Vectors(generation.dims))

    def postings_of(self, number: int) -> Postings:
        """Returns the postings of a generation."""
        return self.postings.setdefault(number, Postings())

    def filled(self, id: str, number: int) -> bool:  # noqa: A002 - as in Entry
        """Says whether a generation has something for an entry."""
        return id in self.vectors.get(number, ()) or id in self.postings.get(number, ())

    def forget(self, number: int) -> None:
        """Drops a generation."""
        self.vectors.pop(number, None)
        self.postings.pop(number, None)
