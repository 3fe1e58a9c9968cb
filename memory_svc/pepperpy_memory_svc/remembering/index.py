"""What makes entries findable: vectors and words of the generations that are current."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import msgspec

from pepperpy_bus.logs import get_log
from pepperpy_memory_svc.declared.models import Declaration
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.embedder import (
    Embedder,
    Purpose,
    Vector,
    generation_name,
    spec_of,
)
from pepperpy_memory_svc.remembering.analyser import Analyser
from pepperpy_memory_svc.remembering.making import drop_kept, fill_rest, make_current
from pepperpy_memory_svc.remembering.treatments import Treatments
from pepperpy_memory_svc.remembering.words import Words, lexemes
from pepperpy_memory_svc.stores.rows import Filling, Generation, Kind, Row
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import Conflict, PepperError, Unavailable, WrongSequence
from pepperpy_schemas.language import Analysis
from pepperpy_schemas.memory import Entry

log = get_log("pepperpy.memory")

T = TypeVar("T")

_TRIES: Final = 5
_FILL: Final = 256
_EMBED: Final = 32
_BACK: Final = "have the service read its declaration again (SIGHUP) to go back to them"
_FRESH: Final = 1.0
"""Seconds after which the store is asked again which generations are current."""


class Current(msgspec.Struct, frozen=True):
    """The generations that are searched now, with what makes them.

    Attributes:
        embedding: The generation of vectors.
        embedder: What embeds for it.
        analyser: The generation of words.
        treatments: How its words were made.
    """

    embedding: Generation
    embedder: BatchedEmbedder[Embedder]
    analyser: Generation
    treatments: Treatments


class Index:
    """Embeds and analyses with whatever the store has as current.

    Args:
        store: The store, open.
        embedders: Gives an open embedder by how settings name it; the same one every time.
        analyser: The analyser.
        spec: The embedder of a store that has none yet.
        declaration: The namespaces, and how their texts become words.

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
        self._declared = Treatments.declared(declaration)
        self._name = self._declared.name(analyser)
        self._current: Current | None = None
        self._read_at = 0.0
        self._kept_spec = spec
        self._lock = asyncio.Lock()
        # What is being made here: what is put meanwhile is in it from the start.
        self._embedded_anew: dict[int, BatchedEmbedder[Embedder]] = {}
        self._makers: Counter[int] = Counter()
        self._reworded: set[int] = set()

    async def prepare(self, clock: Callable[[], datetime], *, back: bool = False) -> None:
        """Makes the words of all entries as they are declared now, if they were made otherwise.

        Until the end the words that are there are searched, as they were made. What is killed in
        the middle is gone on with by the next one.

        Args:
            clock: The time that entries expire by.
            back: Take words, too, that others have replaced. A replica of an older version that
                starts anew while newer ones are there must not.
        """
        there = await self._store.generations()
        before = _current(there, "analyser")
        if before is None:
            return
        older = any(one.name == self._name and one.number < before.number for one in there)
        if older and not back:
            log.warning("memory.words_kept", there=before.name, wanted=self._name, hint=_BACK)
            return
        made = await self._store.begin("analyser", self._name)
        if made.number != before.number:
            log.info("memory.words_anew", before=before.name, after=made.name)
        self._reworded.add(made.number)
        try:
            async for _ in make_current(
                self._store,
                made,
                self._words_of,
                clock,
                at_once=_FILL,
                instead_of=before.number,
            ):
                pass
        finally:
            self._reworded.discard(made.number)
        self._current = None
        if made.number != before.number:
            await drop_kept(self._store, "analyser", but=before.number)

    async def complete(self, clock: Callable[[], datetime]) -> None:
        """Embeds what the current vectors lack: who made them was killed before the last few."""
        current = await self.current()
        rest = fill_rest(
            self._store,
            current.embedding,
            partial(_vectors_of, current.embedder),
            clock,
            at_once=_EMBED,
        )
        async for _ in rest:
            pass

    async def _words_of(self, entries: Sequence[Entry]) -> list[Filling]:
        analyses = await asyncio.to_thread(self._analysed, entries)
        return [
            Filling(namespace=one.namespace, id=one.id, version=one.version, lexemes=lexemes(said))
            for one, said in zip(entries, analyses, strict=True)
        ]

    def _analysed(self, entries: Sequence[Entry]) -> list[Analysis]:
        of = self._declared.of
        return [self.words.of(of(one.namespace), one.text, one.lang) for one in entries]

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

        Raises:
            Conflict: Another re-index was done first.
        """
        before = (await self.current()).embedding.number
        embedder = await self._embedders(spec)
        name = generation_name(spec, embedder)
        made = await self._store.begin("embedding", name, dims=embedder.dims)
        done = 0
        self._embedded_anew[made.number] = embedder
        self._makers[made.number] += 1
        try:
            making = make_current(
                self._store,
                made,
                partial(_vectors_of, embedder),
                clock,
                at_once=_EMBED,
                instead_of=before,
            )
            async for done, left in making:
                yield made, done, left
        finally:
            self._makers[made.number] -= 1
            if not self._makers[made.number]:
                del self._embedded_anew[made.number]
        self._current = None
        if (await self.current()).embedding.number != made.number:
            raise Conflict(
                f"other vectors were made anew while those of {spec} were",
                hint="ask again: what is embedded is kept",
            )
        if before != made.number:
            await drop_kept(self._store, "embedding", but=before)
        yield msgspec.structs.replace(made, state="current"), done, 0

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

    async def rows(self, current: Current, namespace: str, entries: Sequence[Entry]) -> list[Row]:
        """Returns entries with their vectors and words, and with their language.

        What is made anew here gets its share at once.
        """
        texts = [entry.text for entry in entries]
        treatment = current.treatments.of(namespace)
        vectors, analyses = await asyncio.gather(
            self._vectors(current, texts),
            asyncio.to_thread(self.words.of_entries, treatment, entries),
        )
        anew = await asyncio.to_thread(self._analysed, entries) if self._reworded else analyses
        return [
            Row(
                entry=msgspec.structs.replace(entry, lang=entry.lang or said.lang),
                vectors=vector,
                lexemes={
                    **dict.fromkeys(self._reworded, lexemes(new)),
                    current.analyser.number: lexemes(said),
                },
            )
            for entry, vector, said, new in zip(entries, vectors, analyses, anew, strict=True)
        ]

    async def _vectors(
        self, current: Current, texts: Sequence[str]
    ) -> "list[dict[int, Vector | None]]":
        """Each text's vectors, by generation."""
        vectors = {current.embedding.number: await current.embedder.embed(texts, "passage")}
        for number, embedder in list(self._embedded_anew.items()):
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
        return Current(embedding, embedder, analyser, Treatments.named(analyser.name))

    async def _first_embedding(self) -> Generation:
        embedder = await self._embedders(self._spec)
        name = generation_name(self._spec, embedder)
        return await self._store.begin("embedding", name, dims=embedder.dims)


async def _vectors_of(
    embedder: BatchedEmbedder[Embedder], entries: Sequence[Entry]
) -> list[Filling]:
    vectors = await embedder.embed([one.text for one in entries], "passage")
    return [
        Filling(namespace=one.namespace, id=one.id, version=one.version, vector=vector)
        for one, vector in zip(entries, vectors, strict=True)
    ]


def _current(there: Sequence[Generation], kind: Kind) -> Generation | None:
    return next((one for one in there if one.kind == kind and one.state == "current"), None)
