"""What makes entries findable: vectors and words of the generations that are current."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from pepperpy_bus.logs import get_log
from pepperpy_memory_svc.declared.models import Declaration, Namespace
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.embedder import (
    Embedder,
    Purpose,
    Vector,
    generation_name,
    spec_of,
)
from pepperpy_memory_svc.remembering.analyser import Analyser
from pepperpy_memory_svc.remembering.words import Words, pipeline_of
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind, Row
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import PepperError, Unavailable, WrongSequence
from pepperpy_schemas.language import Analysis
from pepperpy_schemas.memory import Entry

log = get_log("pepperpy.memory")

T = TypeVar("T")

_TRIES: Final = 5
_FILL: Final = 256
_EMBED: Final = 32
_ROUNDS: Final = 8
"""How often the rest is embedded before the new vectors are taken without the last few."""
_FEW: Final = 64
"""Entries that searches may miss for the moment that they take to embed."""
_FRESH: Final = 1.0
"""Seconds after which the store is asked again which generations are current."""


class Current(msgspec.Struct, frozen=True):
    """The generations that are searched now, with what makes them.

    Attributes:
        embedding: The generation of vectors.
        embedder: What embeds for it.
        analyser: The generation of words.
    """

    embedding: Generation
    embedder: BatchedEmbedder[Embedder]
    analyser: Generation


class Index:
    """Embeds and analyses with whatever the store has as current.

    Args:
        store: The store, open.
        embedders: Gives an open embedder by how settings name it; the same one every time.
        analyser: The analyser.
        spec: The embedder of a store that has none yet.
        declaration: The namespaces, whose pipelines are part of the analyser.

    Attributes:
        words: What the analyser says.
    """

    def __init__(
        self,
        store: Store,
        embedders: Callable[[str], Awaitable[BatchedEmbedder[Embedder]]],
        analyser: Analyser,
        *,
        spec: str,
        declaration: Declaration,
    ) -> None:
        self._store = store
        self._embedders = embedders
        self.words = Words(analyser)
        self._spec = spec
        self._declaration = declaration
        self._name = _analyser_name(analyser, declaration)
        self._current: Current | None = None
        self._read_at = 0.0
        self._kept_spec = spec
        self._lock = asyncio.Lock()
        # Those that are being made here: what is put meanwhile is in them from the start.
        self._making: dict[int, BatchedEmbedder[Embedder]] = {}

    async def prepare(self, clock: Callable[[], datetime]) -> None:
        """Makes the words of all entries anew when another analyser made those that are there.

        What is killed in the middle is gone on with by the next one; until the end the old words
        are the current ones.
        """
        there = _current(await self._store.generations(), "analyser")
        if there is None or there.name == self._name:
            return
        made = await self._store.begin("analyser", self._name)
        log.info("memory.words_anew", before=there.name, after=made.name)
        while await self._store.flip(made.number, now=clock()):
            while entries := await self._store.unfilled(made.number, now=clock(), limit=_FILL):
                await self._store.fill(made.number, await asyncio.to_thread(self._filled, entries))

    def _filled(self, entries: Sequence[Entry]) -> list[Filling]:
        return [
            Filling(
                namespace=entry.namespace,
                id=entry.id,
                version=entry.version,
                lexemes=[token.lexeme for token in self._of(entry).tokens],
            )
            for entry in entries
        ]

    def _of(self, entry: Entry) -> Analysis:
        # What is no longer declared may be declared again.
        declared = self._declaration.namespaces.get(entry.namespace) or Namespace()
        return self.words.of(declared, entry.text, entry.lang)

    async def current(self) -> Current:
        """Returns what is searched now; what another replica has flipped is seen in a second."""
        if self._current is None or time.monotonic() - self._read_at > _FRESH:
            return await self._read()
        return self._current

    async def reindex(
        self, spec: str, clock: Callable[[], datetime]
    ) -> AsyncIterator[tuple[Generation, int, int]]:
        """Makes all vectors anew, and then the new ones current.

        Yields the new generation, how many vectors were made, and about how many are left. One that
        was killed is gone on with. Vectors that were current before need only those of what was put
        meanwhile.

        Args:
            spec: The embedder, as settings name it.
            clock: The time that entries expire by.
        """
        before = (await self.current()).embedding.number
        embedder = await self._embedders(spec)
        name = generation_name(spec, embedder)
        made = await self._store.begin("embedding", name, dims=embedder.dims)
        done = 0
        self._making[made.number] = embedder
        try:
            async for done, left in self._made(made, embedder, clock):
                yield made, done, left
        finally:
            del self._making[made.number]
        self._current = None
        if before != made.number:
            await self._drop_kept("embedding", but=before)
        yield msgspec.structs.replace(made, state="current"), done, 0

    async def _made(
        self,
        made: Generation,
        embedder: BatchedEmbedder[Embedder],
        clock: Callable[[], datetime],
    ) -> AsyncIterator[tuple[int, int]]:
        """Fills a generation and makes it current; yields how many were made and are left.

        Other replicas write on into the one that is current. Where they always do, so that
        something is missing whenever it is looked, the last few are embedded after the change.
        """
        done = left = 0
        for rounds in itertools.count():
            if made.state == "current":
                return
            hurried = rounds > _ROUNDS and left <= _FEW
            left = missing = await self._store.flip(made.number, now=clock(), partial=hurried)
            if not missing:
                return
            yield done, left
            while some := await self._store.unfilled(made.number, now=clock(), limit=_EMBED):
                vectors = await embedder.embed([one.text for one in some], "passage")
                await self._store.fill(made.number, _vectors(some, vectors))
                done += len(some)
                left = max(0, left - len(some))
                yield done, left
            if hurried:
                return
            left = missing

    async def _drop_kept(self, kind: Kind, *, but: int) -> None:
        """Drops what was current before, but for the way back."""
        for one in await self._store.generations():
            if (one.kind, one.state) == (kind, "kept") and one.number != but:
                await self._store.drop(one.number)
                log.info("memory.generation_dropped", kind=kind, name=one.name)

    async def agreed(self, work: Callable[[Current], Awaitable[T]]) -> T:
        """Does something with the current generations, again when they have changed meanwhile.

        Args:
            work: What to do.

        Raises:
            WrongSequence: They changed again and again.
        """
        for _ in range(_TRIES - 1):
            try:
                return await work(await self.current())
            except WrongSequence:
                self._current = None
        return await work(await self.current())

    async def rows(
        self, current: Current, namespace: Namespace, entries: Sequence[Entry]
    ) -> list[Row]:
        """Returns entries with their vectors and words, and with their language."""
        texts = [entry.text for entry in entries]
        vectors, analyses = await asyncio.gather(
            self._embedded(current, texts),
            asyncio.to_thread(self.words.of_entries, namespace, entries),
        )
        return [
            Row(
                entry=msgspec.structs.replace(entry, lang=entry.lang or analysis.lang),
                vectors=vector,
                lexemes={current.analyser.number: [token.lexeme for token in analysis.tokens]},
            )
            for entry, vector, analysis in zip(entries, vectors, analyses, strict=True)
        ]

    async def _embedded(
        self, current: Current, texts: Sequence[str]
    ) -> "list[dict[int, Vector | None]]":
        """Each text's vectors: of the current generation, and of those that are being made here."""
        vectors = {current.embedding.number: await current.embedder.embed(texts, "passage")}
        for number, embedder in list(self._making.items()):
            with contextlib.suppress(PepperError):  # who makes them tries again
                vectors.setdefault(number, await embedder.embed(texts, "passage"))
        return [{number: some[n] for number, some in vectors.items()} for n in range(len(texts))]

    async def question(self, current: Current, text: str, purpose: Purpose = "query") -> Vector:
        """Returns the vector of what is looked for: a question, or a text like those there."""
        return (await current.embedder.embed([text], purpose))[0]

    # --- generations ----------------------------------------------------------------------------

    async def _read(self) -> Current:
        async with self._lock:
            if self._current is None or time.monotonic() - self._read_at > _FRESH:
                self._current = await self._found()
                self._read_at = time.monotonic()
            return self._current

    async def _found(self) -> Current:
        there = await self._store.generations()
        embedding = _current(there, "embedding") or await self._first_embedding()
        analyser = _current(there, "analyser") or await self._store.begin("analyser", self._name)
        if analyser.name != self._name:
            raise Unavailable(
                f"the words in the store are those of {analyser.name}, not of {self._name}",
                hint="start the service anew: it indexes the words of all entries again",
            )
        spec = spec_of(embedding.name)
        embedder = await self._embedders(spec)
        if generation_name(spec, embedder) != embedding.name:
            raise Unavailable(
                f"the vectors in the store are those of {embedding.name}, "
                f"not of {generation_name(spec, embedder)}",
                hint="install the version of the embedder that made them",
            )
        if spec != self._kept_spec:
            log.warning("memory.embedder_kept", there=spec, wanted=self._spec)
            self._kept_spec = spec
        return Current(embedding, embedder, analyser)

    async def _first_embedding(self) -> Generation:
        embedder = await self._embedders(self._spec)
        name = generation_name(self._spec, embedder)
        return await self._store.begin("embedding", name, dims=embedder.dims)


def _vectors(entries: Sequence[Entry], vectors: Sequence[Vector]) -> list[Filling]:
    return [
        Filling(namespace=one.namespace, id=one.id, version=one.version, vector=vector)
        for one, vector in zip(entries, vectors, strict=True)
    ]


def _current(there: Sequence[Generation], kind: Kind) -> Generation | None:
    return next((one for one in there if one.kind == kind and one.state == "current"), None)


def _analyser_name(analyser: Analyser, declaration: Declaration) -> str:
    """The analyser's name, with whatever changes its answers in a namespace."""
    plain = Namespace()
    said = [
        (name, one.main, analyser.version(pipeline_of(one)))
        for name, one in sorted(declaration.namespaces.items())
        if (one.main, one.words) != (plain.main, plain.words)
    ]
    version = analyser.version(pipeline_of(plain))
    if not said:
        return version
    return f"{version}@{blake2b(msgspec.json.encode(said), digest_size=6).hexdigest()}"
