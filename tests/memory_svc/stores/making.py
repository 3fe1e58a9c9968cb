"""Entries for tests, and a store that is ready to take them."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from pepperpy_memory_svc.stores.rows import Candidates, Row, Vector, Wanted
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.memory import Condition, Entry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIMS = 4


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for a server's data, in memory where there is a place for that.

    One of pytest's cannot be entered by the user that root's server runs as.
    """
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 1 << 30
    folder = tempfile.mkdtemp(prefix="pepperpy-tests-pg-", dir=shared if roomy else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def entry(id: str = "a", *, namespace: str = "ours", **fields: Any) -> Entry:  # noqa: A002 - as in Entry
    fields = {"text": f"text of {id}", "at": NOW, "created": NOW, "updated": NOW, **fields}
    return Entry(id=id, namespace=namespace, **fields)


def row(one: Entry, **fields: Any) -> Row:
    return Row(entry=one, **fields)


def fresh() -> str:
    return uuid.uuid4().hex


class Filled(msgspec.Struct, frozen=True):
    """A store with an embedder and an analyser."""

    store: Store
    embedding: int
    analyser: int

    async def put(
        self,
        one: Entry,
        vector: Vector | None = None,
        lexemes: Sequence[str] = (),
        *,
        expected: int | None = None,
        now: datetime = NOW,
    ) -> Entry:
        given = self.row(one, vector, lexemes, expected=expected)
        return (await self.store.put(one.namespace, [given], now=now))[0]

    def row(
        self,
        one: Entry,
        vector: Vector | None = None,
        lexemes: Sequence[str] = (),
        *,
        expected: int | None = None,
    ) -> Row:
        return Row(
            entry=one,
            vectors={self.embedding: vector},
            lexemes={self.analyser: lexemes},
            expected=expected,
        )

    async def find(
        self,
        vector: Vector | None = None,
        lexemes: Sequence[str] = (),
        *,
        where: Condition | None = None,
        namespace: str = "ours",
        limit: int = 100,
        telling: int = 0,
        now: datetime = NOW,
    ) -> Candidates:
        wanted = Wanted(
            namespace=namespace,
            vector=vector,
            embedding=self.embedding,
            lexemes=lexemes,
            telling=telling,
            analyser=self.analyser,
            where=where,
            limit=limit,
        )
        return await self.store.candidates(wanted, now=now)


async def filled(store: Store, dims: int = DIMS) -> Filled:
    embedding = await store.begin("embedding", "test", dims=dims)
    analyser = await store.begin("analyser", "test")
    return Filled(store, embedding.number, analyser.number)
