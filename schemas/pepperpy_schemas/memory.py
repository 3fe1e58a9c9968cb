"""What agents remember: entries, how they are put, found, linked and told apart.

A namespace belongs to callers by their identity: the service knows which ones a principal may use,
and ``namespace`` of a request only chooses among them.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Attempt, Count, Instant

Scope: TypeAlias = Literal["session", "agent", "global"]
"""For whom an entry is: one conversation, one agent in all of its conversations, or all."""
Term: TypeAlias = Literal["short", "medium", "long"]
"""How long an entry is meant to last; each has a time to live of its own by default."""

Text1 = Annotated[str, msgspec.Meta(min_length=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
LONGEST = 1e10
"""Seconds, about 317 years."""
Seconds = Annotated[float, msgspec.Meta(gt=0, le=LONGEST)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Field1 = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Scalar: TypeAlias = str | int | float | bool | None


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another entry that belongs to this one.

    Attributes:
        to: Its id.
        kind: How it belongs: ``about``, ``answers``, ``follows``, or any word.
    """

    to: Id
    kind: Text1 = "about"


class NewEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something to remember.

    Attributes:
        text: What it is.
        id: Its id; a new one by default. One that is there is replaced.
        scope: For whom it is.
        session: The conversation, needed for scope ``session``.
        agent: The agent, needed for scope ``agent``.
        term: How long it is meant to last.
        ttl: Seconds until it is forgotten; the term's own by default.
        refresh: Whether reading it begins its time anew.
        lang: Language of the text as ISO 639-1; found out by default.
        importance: From 0 to 1.
        metadata: Named values, which filters can ask for.
        links: Other entries that belong to it.
        source: Where it is from: a file, an address, a tool; provenance.
        trusted: Whether its source is trusted; what came from outside is not. The namespace's
            declaration says who may vouch for it.
        at: When it happened; when it is put by default.
    """

    text: Text1
    id: Id | None = None
    scope: Scope = "global"
    session: str = ""
    agent: str = ""
    term: Term = "long"
    ttl: Seconds | None = None
    refresh: bool = False
    lang: str = ""
    importance: Share = 0.5
    metadata: dict[str, Any] = {}
    links: Annotated[list[Link], msgspec.Meta(max_length=64)] = []
    source: str = ""
    trusted: bool = False
    at: Instant | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that is remembered.

    Attributes:
        id: Its id.
        namespace: Where it is.
        text: What it is.
        scope: For whom it is.
        session: The conversation.
        agent: The agent.
        seq: Its place in the conversation, from 1; 0 outside of one.
        term: How long it is meant to last.
        lang: Language of the text as ISO 639-1; empty when it has none.
        importance: From 0 to 1.
        metadata: Named values.
        links: Other entries that belong to it.
        source: Where it is from.
        trusted: Whether its source is trusted.
        by: The principal that wrote this version, true by permission.
        version: One more with every writing; what is put after a deletion begins above.
        at: When it happened.
        created: When it was put first.
        updated: When it was changed last.
        expires: When it is forgotten; null for never.
        ttl: Seconds that reading gives it anew, if it does; else null.
    """

    id: Id
    namespace: str
    text: str
    scope: Scope = "global"
    session: str = ""
    agent: str = ""
    seq: Count = 0
    term: Term = "long"
    lang: str = ""
    importance: Share = 0.5
    metadata: dict[str, Any] = {}
    links: list[Link] = []
    source: str = ""
    trusted: bool = False
    by: str = ""
    version: Attempt = 1
    at: Instant
    created: Instant
    updated: Instant
    expires: Instant | None = None
    ttl: Seconds | None = None


# --- conditions -----------------------------------------------------------------------------------


class Eq(msgspec.Struct, frozen=True, tag_field="op", tag="eq"):
    """A field has this value."""

    field: Field1
    value: Scalar


class In(msgspec.Struct, frozen=True, tag_field="op", tag="in"):
    """A field has one of these values."""

    field: Field1
    values: Annotated[list[Scalar], msgspec.Meta(max_length=1000)]


class Range(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="op", tag="range"):
    """A number, time or text lies between bounds; numbers are compared with numbers only."""

    field: Field1
    gt: Scalar = None
    gte: Scalar = None
    lt: Scalar = None
    lte: Scalar = None


class Exists(msgspec.Struct, frozen=True, tag_field="op", tag="exists"):
    """A field is there, whatever it is."""

    field: Field1


class Contains(msgspec.Struct, frozen=True, tag_field="op", tag="contains"):
    """A list has this value in it, or a text this part, to the letter."""

    field: Field1
    value: Scalar


class AllOf(msgspec.Struct, frozen=True, tag_field="op", tag="and"):
    """All of these hold."""

    of: "Annotated[list[Condition], msgspec.Meta(max_length=64)]"


class AnyOf(msgspec.Struct, frozen=True, tag_field="op", tag="or"):
    """One of these holds."""

    of: "Annotated[list[Condition], msgspec.Meta(max_length=64)]"


class Not(msgspec.Struct, frozen=True, tag_field="op", tag="not"):
    """This does not hold."""

    of: "Condition"


Condition: TypeAlias = Eq | In | Range | Exists | Contains | AllOf | AnyOf | Not
"""Fields are those of `Entry` by name, and ``metadata.a.b`` for values inside the metadata."""


# --- search ---------------------------------------------------------------------------------------


class MinMax(msgspec.Struct, frozen=True, tag_field="kind", tag="min_max"):
    """Both legs scaled to 0..1 by their own lowest and highest score, and added.

    Attributes:
        weight: Share of the vectors; the words have the rest.
    """

    weight: Share = 0.6


class Rrf(msgspec.Struct, frozen=True, tag_field="kind", tag="rrf"):
    """Reciprocal rank fusion: 1 / (k + rank) of both legs, added (Cormack et al. 2009).

    Attributes:
        k: The higher, the less the first places count.
        weight: Share of the vectors; the words have the rest.
    """

    k: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 60.0
    weight: Share = 0.5


class Neighbours(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands beside a hit in its conversation counts for it.

    Attributes:
        before: How many entries before.
        after: How many entries after.
        weight: Share of their scores that is added.
    """

    before: Annotated[int, msgspec.Meta(ge=0, le=16)] = 1
    after: Annotated[int, msgspec.Meta(ge=0, le=16)] = 1
    weight: Share = 0.3


class Recency(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened lately counts more.

    Attributes:
        half_life: Seconds after which the bonus is halved.
        weight: The bonus of what happens now.
    """

    half_life: Seconds = 604_800.0
    weight: Share = 0.2


class SearchRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What to find.

    Attributes:
        text: The question.
        vector: Its vector, when the caller has one of the namespace's embedder.
        like: Id of an entry whose likes are wanted; it is not among the hits.
        alike: Whether entries are wanted that say the same as the text, not such that answer it.
        mode: ``hybrid``, vectors alone (``semantic``), or words alone (``text``).
        namespace: Where to look; the caller's own by default.
        fusion: How the legs of a hybrid search are put together.
        feedback: How many of the best hits are taken for answers: a second search looks for what
            they have in common, and both count the same. 0 searches once.
        scopes: Of whom; all that the other fields allow by default.
        session: Only of this conversation, and what is for all.
        agent: Only of this agent, and what is for all.
        where: A condition that every hit fulfils.
        neighbours: Let neighbours in the conversation count.
        recency: Let what happened lately count more.
        importance: Share of the importance that is added to the score.
        links: Share of a hit's score that entries get which it links to.
        limit: Most hits.
        offset: Hits to pass over, for the next page.
        min_score: Hits below this are left out.
        explain: Say how each score came about.
        touch: Whether finding counts as reading, for entries whose time begins anew then.
    """

    text: Annotated[str, msgspec.Meta(max_length=100_000)] = ""
    vector: Annotated[list[float], msgspec.Meta(max_length=16_384)] | None = None
    like: Id | None = None
    alike: bool = False
    mode: Literal["hybrid", "semantic", "text"] = "hybrid"
    namespace: str = ""
    fusion: MinMax | Rrf = MinMax()
    feedback: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    scopes: list[Scope] = []
    session: str = ""
    agent: str = ""
    where: Condition | None = None
    neighbours: Neighbours | None = None
    recency: Recency | None = None
    importance: Share = 0.0
    links: Share = 0.0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    offset: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    min_score: float | None = None
    explain: bool = False
    touch: bool = False


class Hit(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry that was found.

    Attributes:
        entry: The entry.
        score: How well it fits; higher is better, comparable within one answer only.
        snippet: A part of its text, with the words that were found between ``**``.
        parts: How the score came about: ``vector``, ``words``, ``feedback``, ``neighbours``,
            ``recency``, ``importance``, ``links``, as they were added; and ``vector_raw``,
            ``words_raw``.
    """

    entry: Entry
    score: float
    snippet: str = ""
    parts: dict[str, float] = {}


class SearchReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found, the best first.

    Attributes:
        hits: The entries.
        more: Whether there are more behind them.
        lang: Language that the question was taken for.
        embedder: Whose vectors were compared, as ``stats`` names it; empty for words alone.
    """

    hits: list[Hit]
    more: bool = False
    lang: str = ""
    embedder: str = ""
