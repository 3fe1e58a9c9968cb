"""What stores are given and what they answer: frozen values, the same for every database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from pepperpy_schemas.memory import Condition, Entry

Vector: TypeAlias = Sequence[float]
"""An embedding; ``array('f')`` is taken without a copy."""

Lexemes: TypeAlias = Sequence[str]
"""The words of a text as its analyser left them, as often as they are in it."""

Kind: TypeAlias = Literal["embedding", "analyser"]
State: TypeAlias = Literal["building", "current", "kept"]

MAX_LEG = 10_000
"""Most candidates of one leg of a search."""


class Generation(msgspec.Struct, frozen=True):
    """All vectors of one embedder, or all lexemes of one analyser; the whole store has one current.

    A new one is built beside it, entry by entry, and takes its place at once.

    Attributes:
        number: Its number, never used again.
        kind: What it is made of.
        name: Whose work it is: the embedder's or analyser's name with whatever changes its answers.
        dims: Numbers of a vector; 0 for lexemes.
        state: ``building`` beside the current one, ``current``, or ``kept`` to go back to.
    """

    number: int
    kind: Kind
    name: str
    dims: int
    state: State


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with what makes it findable.

    Attributes:
        entry: The entry. The store sets ``created`` of one that is there, ``seq`` of one that is
            new in a conversation and has none, and ``version``: the next of one that is there,
            else above all that were ever there, and not below the one it brings.
        vectors: Its vector by the number of the generation, None where it has none. A generation
            that is not named here has yet to be filled. None instead of a mapping leaves what is
            there, for entries whose text stays.
        lexemes: The same for its lexemes.
        expected: The version that must be there: 0 for none, None for whatever is.
    """

    entry: Entry
    vectors: Mapping[int, Vector | None] | None = {}
    lexemes: Mapping[int, Lexemes] | None = {}
    expected: int | None = None


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation gets for one entry.

    Attributes:
        namespace: Where the entry is.
        id: Its id.
        version: The version that was embedded or analysed; of another one nothing is taken.
        vector: Its vector, for an embedder's generation; None when it has none.
        lexemes: Its lexemes, for an analyser's.
    """

    namespace: str
    id: str
    version: int
    vector: Vector | None = None
    lexemes: Lexemes = ()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What candidates are wanted of a namespace.

    Attributes:
        namespace: Where to look.
        vector: The question's vector; None for no vector leg.
        embedding: The generation that the vector belongs to.
        lexemes: The question's lexemes; none for no words leg. How often one is repeated counts for
            ``telling`` alone.
        telling: Most lexemes that are looked for: those that tell most, by how often they are in
            the question times how rare they are in the namespace; 0 for all.
        analyser: The generation that the lexemes belong to.
        where: A condition that every candidate fulfils, in both legs.
        limit: Most candidates of each leg.
        brief: Whether `Brief` is enough of each entry: hundreds are candidates, ten are shown. A
            store that has whole ones at hand gives these.
        bare: Whether of a `Brief` id and language are enough, for a search without its context. A
            store that has more at hand gives it.
    """

    namespace: str
    vector: Vector | None = None
    embedding: int = 0
    lexemes: Lexemes = ()
    telling: int = 0
    analyser: int = 0
    where: Condition | None = None
    limit: int = 100
    brief: bool = False
    bare: bool = False


class Brief(msgspec.Struct, frozen=True):
    """What the order of hits depends on, of an entry that was not read whole.

    Attributes:
        id: Its id.
        lang: Its language; empty when it has none.
        session: Its conversation. This and the following are empty where they were not asked for.
        seq: Its place there.
        links: Ids that it links to.
        importance: From 0 to 1.
        at: When it happened, in seconds since 1970.
    """

    id: str
    lang: str
    session: str = ""
    seq: int = 0
    links: Sequence[str] = ()
    importance: float = 0.0
    at: float = 0.0


Known: TypeAlias = Entry | Brief
"""As much of an entry as was read."""


class Scored(msgspec.Struct, frozen=True):
    """A candidate of one leg.

    Attributes:
        id: The entry's id.
        score: Cosine similarity, -1 to 1, or BM25; higher is better.
    """

    id: str
    score: float


class Candidates(msgspec.Struct, frozen=True):
    """What may answer a question: two legs, each the best first; equal ones by id.

    Which of equal ones is the last that has room is the store's choice.

    Attributes:
        vector: By the likeness of their vectors.
        words: By their words: BM25, k1 1.2, b .75, over the namespace.
        entries: The entries of both, by id, unless they are brief.
        briefs: As much of them as was asked for, by id.
    """

    vector: list[Scored]
    words: list[Scored]
    entries: dict[str, Entry]
    briefs: dict[str, Brief] = {}

    @property
    def known(self) -> Mapping[str, Known]:
        """What is known of the entries of both, by id."""
        return self.briefs or self.entries


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """How full a namespace is.

    Attributes:
        entries: Entries that are not expired.
        expired: Entries that are, and wait to be purged.
        characters: Length of all their texts.
        sessions: Conversations.
        langs: Entries by language.
        terms: Entries by term.
        scopes: Entries by scope.
    """

    entries: int = 0
    expired: int = 0
    characters: int = 0
    sessions: int = 0
    langs: dict[str, int] = {}
    terms: dict[str, int] = {}
    scopes: dict[str, int] = {}


class Turn(msgspec.Struct, frozen=True):
    """A place in a conversation.

    Attributes:
        session: The conversation.
        seq: The place, from 1.
    """

    session: str
    seq: int


class Earlier(msgspec.Struct, frozen=True):
    """A version of an entry that was replaced.

    Attributes:
        entry: The entry as it was.
        until: When it was replaced.
    """

    entry: Entry
    until: datetime
