"""What makes a point findable: its vectors, and fields with a generation's number."""

from collections.abc import Iterable, Sequence
from typing import Final

from pepperpy_memory_svc.stores.exact import unit
from pepperpy_memory_svc.stores.qdrant.corpora import Corpora
from pepperpy_memory_svc.stores.qdrant.engine import Dense, Fields, Point, Sparse
from pepperpy_memory_svc.stores.qdrant.words import Words, words_of
from pepperpy_memory_svc.stores.rows import Lexemes, Vector

_FIELDS: Final = "wxl"


class Indexed:
    """What generations have for an entry, to be changed and made a point of.

    Args:
        fields: Its fields with a generation's number.
        vectors: Its vectors.
        has: The generations that have something, or know that there is nothing.
    """

    def __init__(
        self, fields: Fields, vectors: dict[str, Dense | Sparse], has: Iterable[int]
    ) -> None:
        self._fields = fields
        self._vectors = vectors
        self._has = set(has)

    @classmethod
    def of(cls, point: Point) -> "Indexed":
        """Returns what a whole point has."""
        has = set(point.fields.get("has", ()))
        names = {f"{kind}{number}" for kind in _FIELDS for number in has}
        fields = {name: point.fields[name] for name in names & set(point.fields)}
        return cls(fields, dict(point.vectors), has)

    @classmethod
    def nothing(cls) -> "Indexed":
        """Returns that there is nothing yet."""
        return cls({}, {}, ())

    def has_key(self, key: str) -> bool:
        """Says whether a field is one of these."""
        return key == "has" or (key[:1] in _FIELDS and key[1:].isdigit())

    def remove(self, number: int) -> None:
        """Removes what a generation has."""
        self._has.discard(number)
        for kind in _FIELDS:
            self._fields.pop(f"{kind}{number}", None)
        for kind in "vw":
            self._vectors.pop(f"{kind}{number}", None)

    def add_vector(self, number: int, vector: Vector | None) -> None:
        """Takes a vector, or that there is none."""
        self._has.add(number)
        if vector is not None:
            self._vectors[f"v{number}"] = unit(vector).tolist()

    def add_words(self, number: int, words: Words, average: float) -> None:
        """Takes lexemes."""
        self._has.add(number)
        self._fields.update(words.fields(number, average))
        vector = words.vector(average)
        if vector is not None:
            self._vectors[f"w{number}"] = vector

    def point(self, id: str, fields: Fields) -> Point:  # noqa: A002 - as in Point
        """Returns the point of an entry with these other fields."""
        return Point(id, {**fields, **self._fields, "has": sorted(self._has)}, self._vectors)


class WordsIndex:
    """Makes lexemes findable in a namespace.

    Args:
        namespace: Its name.
        corpora: Where its average is known.
    """

    def __init__(self, namespace: str, corpora: Corpora) -> None:
        self._namespace = namespace
        self._corpora = corpora
        self._averages: dict[int, float] = {}

    async def take(self, number: int, texts: Sequence[Lexemes]) -> None:
        """Learns how long texts are, with those that are added now."""
        lengths = [len(each) for each in texts]
        self._averages[number] = await self._corpora.average(self._namespace, number, lengths)

    def add(self, indexed: Indexed, number: int, lexemes: Lexemes) -> None:
        """Makes an entry findable by its lexemes."""
        words = words_of(self._namespace, lexemes)
        indexed.add_words(number, words, self._averages[number])
