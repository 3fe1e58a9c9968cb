"""What is remembered and looked for, as callers write it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from pepperpy_schemas.memory import Condition, Link, MinMax, Neighbours, Recency, Rrf, Scope, Term


class EntryOptions(TypedDict, total=False):
    """What may be said of an entry besides its text; see `NewEntry`.

    Attributes:
        id: Its id; a new one by default. One that is there is replaced.
        scope: For whom it is: ``session``, ``agent``, ``global``.
        session: The conversation, needed for scope ``session``.
        agent: The agent, needed for scope ``agent``.
        term: How long it is meant to last: ``short``, ``medium``, ``long``.
        ttl: Seconds until it is forgotten; the term's own by default.
        refresh: Whether reading it begins its time anew.
        lang: Language of the text; found out by default.
        importance: From 0 to 1.
        metadata: Named values, which filters can ask for.
        links: Other entries that belong to it.
        source: Where it is from.
        trusted: Whether its source is trusted.
        at: When it happened; now by default.
    """

    id: str | None
    scope: Scope
    session: str
    agent: str
    term: Term
    ttl: float | None
    refresh: bool
    lang: str
    importance: float
    metadata: Mapping[str, Any]
    links: Sequence[Link | Mapping[str, Any]]
    source: str
    trusted: bool
    at: datetime | None


class Changes(TypedDict, total=False):
    """What may be changed of an entry; see `UpdateRequest`.

    Attributes:
        expected: The version that must be there; any by default.
        text: Its new text.
        term: How long it is meant to last from now.
        ttl: Seconds from now until it is forgotten.
        refresh: Whether reading it begins its time anew.
        lang: Language of the text.
        importance: From 0 to 1.
        metadata: All of its named values.
        links: All of its links.
        source: Where it is from.
        trusted: Whether its source is trusted.
        at: When it happened.
    """

    expected: int
    text: str
    term: Term
    ttl: float
    refresh: bool
    lang: str
    importance: float
    metadata: Mapping[str, Any]
    links: Sequence[Link | Mapping[str, Any]]
    source: str
    trusted: bool
    at: datetime


class SearchOptions(TypedDict, total=False):
    """What may be said of a search besides its question; see `SearchRequest`.

    Attributes:
        vector: The question's vector, when the caller has one of the namespace's embedder.
        like: Id of an entry whose likes are wanted.
        alike: Whether entries are wanted that say the same as the text, not such that answer it.
        mode: ``hybrid``, vectors alone (``semantic``), or words alone (``text``).
        namespace: Where to look; the caller's own by default.
        fusion: How the legs of a hybrid search are put together.
        feedback: How many of the best hits are taken for answers, and asked for what they say.
        scopes: Of whom.
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
        touch: Whether finding counts as reading.
    """

    vector: Sequence[float] | None
    like: str | None
    alike: bool
    mode: Literal["hybrid", "semantic", "text"]
    namespace: str
    fusion: MinMax | Rrf | Mapping[str, Any]
    feedback: int
    scopes: Sequence[Scope]
    session: str
    agent: str
    where: Condition | Mapping[str, Any] | None
    neighbours: Neighbours | Mapping[str, Any] | None
    recency: Recency | Mapping[str, Any] | None
    importance: float
    links: float
    limit: int
    offset: int
    min_score: float | None
    explain: bool
    touch: bool
