"""What the memory service is asked besides searches, and what it answers.

Every request names a namespace, or none for the caller's own; one that a caller may not use is not
there for it.
"""

from typing import Annotated, Any

import msgspec

from pepperpy_schemas.memory import (
    Condition,
    Entry,
    Id,
    Link,
    NewEntry,
    Seconds,
    Share,
    Term,
    Text1,
)
from pepperpy_schemas.messages import Attempt, Count, Instant

MAX_BATCH = 1000
"""Most entries or ids of one request."""

Ids = Annotated[list[Id], msgspec.Meta(max_length=MAX_BATCH)]


class PutRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries to remember: all of them, or none.

    Attributes:
        entries: The entries.
        namespace: Where to put them.
    """

    entries: Annotated[list[NewEntry], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    namespace: str = ""


class Entries(msgspec.Struct, frozen=True):
    """Entries as they are remembered.

    Attributes:
        entries: The entries, in the order of the request.
    """

    entries: list[Entry]


class GetRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries to show; those that are not there are left out of the answer.

    Attributes:
        ids: Their ids.
        namespace: Where they are.
        touch: Whether that counts as reading, for entries whose time begins anew then.
    """

    ids: Ids
    namespace: str = ""
    touch: bool = True


class UpdateRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An entry to change; what is not said stays as it is.

    Attributes:
        id: Its id.
        namespace: Where it is.
        expected: The version that must be there; any by default.
        text: Its new text.
        term: How long it is meant to last from now.
        ttl: Seconds from now until it is forgotten; with a new term, that term's own by default.
        refresh: Whether reading it begins its time anew.
        lang: Language of the text; of a new text it is found out.
        importance: From 0 to 1.
        metadata: All of its named values.
        links: All of its links.
        source: Where it is from.
        trusted: Whether its source is trusted.
        at: When it happened.
    """

    id: Id
    namespace: str = ""
    expected: Attempt | None = None
    text: Text1 | None = None
    term: Term | None = None
    ttl: Seconds | None = None
    refresh: bool | None = None
    lang: str | None = None
    importance: Share | None = None
    metadata: dict[str, Any] | None = None
    links: Annotated[list[Link], msgspec.Meta(max_length=64)] | None = None
    source: str | None = None
    trusted: bool | None = None
    at: Instant | None = None


class DeleteRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries to forget, with their history: by id, or all that fulfil a condition.

    Attributes:
        ids: Their ids.
        where: The condition; together with ids nothing but the ids counts.
        namespace: Where they are.
    """

    ids: Ids = []
    where: Condition | None = None
    namespace: str = ""


class DeleteReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was forgotten.

    Attributes:
        deleted: How many entries were there.
        ids: The ids of those that were asked for by id.
    """

    deleted: Count
    ids: list[str] = []


class LinkRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A link to make, or to take away.

    Attributes:
        id: The entry that links.
        to: The entry that it links to.
        kind: How that belongs to it.
        remove: Whether the link is taken away.
        namespace: Where both are.
    """

    id: Id
    to: Id
    kind: Text1 = "about"
    remove: bool = False
    namespace: str = ""


class HistoryRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry whose earlier versions are wanted.

    Attributes:
        id: Its id.
        namespace: Where it is.
    """

    id: Id
    namespace: str = ""


class Version(msgspec.Struct, frozen=True):
    """An entry as it was.

    Attributes:
        entry: The entry.
        until: When it was replaced.
    """

    entry: Entry
    until: Instant


class History(msgspec.Struct, frozen=True):
    """An entry and what it was before.

    Attributes:
        entry: The entry as it is.
        earlier: Its earlier versions, the latest first; the oldest are not kept.
    """

    entry: Entry
    earlier: list[Version]


class StatsRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """How full the memory is.

    Attributes:
        namespace: Of which namespace; of all that the caller may use by default.
    """

    namespace: str = ""


class NamespaceStats(msgspec.Struct, frozen=True, omit_defaults=True):
    """How full a namespace is.

    Attributes:
        namespace: Its name.
        entries: Entries that are remembered.
        expired: Entries that nobody sees any more, and that are about to be removed.
        characters: Length of all texts.
        sessions: Conversations.
        langs: Entries by language.
        terms: Entries by term.
        scopes: Entries by scope.
    """

    namespace: str
    entries: Count = 0
    expired: Count = 0
    characters: Count = 0
    sessions: Count = 0
    langs: dict[str, Count] = {}
    terms: dict[str, Count] = {}
    scopes: dict[str, Count] = {}


class Stats(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How full the memory is, and what it works with.

    Attributes:
        namespaces: The namespaces that the caller may use.
        store: The kind of the store.
        embedder: The embedder whose vectors are searched.
        dims: Numbers of a vector.
        analyser: The analyser whose words are searched.
        replica: The replica that answers.
        running: Requests that it works on.
        cached: Vectors that it keeps.
        cache_hits: Texts whose vector was kept.
        cache_misses: Texts that had to be embedded.
    """

    namespaces: list[NamespaceStats]
    store: str = ""
    embedder: str = ""
    dims: Count = 0
    analyser: str = ""
    replica: str = ""
    running: Count = 0
    cached: Count = 0
    cache_hits: Count = 0
    cache_misses: Count = 0


class ExportRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries to hand out, one after the other, in order of their ids.

    Attributes:
        where: A condition that all of them fulfil.
        namespace: Where they are.
        after: Only those with an id behind this one, to go on after a break.
    """

    where: Condition | None = None
    namespace: str = ""
    after: str = ""


class ImportRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries of an export, to be remembered as they were; those that are there are replaced.

    Attributes:
        entries: The entries; whose they are is not taken over, nor are versions below those there.
        namespace: Where to put them.
    """

    entries: Annotated[list[Entry], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    namespace: str = ""


class ImportReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an import.

    Attributes:
        imported: Entries that are remembered now.
        expired: Entries whose time is over.
    """

    imported: Count
    expired: Count = 0


class ReindexRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """All vectors shall be made anew by another embedder, while searches go on with the old ones.

    Attributes:
        embedder: The embedder, as settings name it; one that was current before is gone back to.
    """

    embedder: Text1


class ReindexProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a re-index is; the last one says that it is done.

    Attributes:
        done: Entries that were embedded in this run.
        entries: Entries that there are, about.
        embedder: Whose vectors they are.
        current: Whether these vectors are the ones that are searched now.
        left: Entries that are still to be embedded, about.
    """

    done: Count
    entries: Count
    embedder: str
    current: bool = False
    left: Count = 0
