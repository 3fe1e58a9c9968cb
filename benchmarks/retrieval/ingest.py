"""Entries put into PostgreSQL through the store, beside the same rows copied into equal tables."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it has no types
import msgspec
from pgvector.asyncpg import register_vector

from benchmarks.retrieval import made
from benchmarks.retrieval.filled import NAMESPACE, rows
from pepperpy_memory_svc.stores.postgres import PostgresStore
from pepperpy_memory_svc.stores.postgres.entries import (
    DOC_COLUMNS,
    ENTRY_COLUMNS,
    POSTING_COLUMNS,
    VECTOR_COLUMNS,
    Words,
    entry_record,
    half_vector,
)
from pepperpy_memory_svc.stores.rows import Generation, Row

BATCH: Final = 500
"""Entries of a transaction, of both."""
_OURS, _COPIED = "through_store", "copied"


class Ingest(msgspec.Struct, frozen=True):
    """Entries per second, with all indexes.

    Attributes:
        ours: Through the store.
        copied: Copied as rows that were made before.
    """

    ours: float
    copied: float

    @property
    def ratio(self) -> float:
        """Ours ÷ copied."""
        return self.ours / self.copied


async def ingest(url: str, entries: int) -> Ingest:
    """Puts entries into both, a transaction of each in turn.

    Args:
        url: A PostgreSQL; the tables are made in schemas of their own.
        entries: How many.
    """
    took = {_OURS: 0.0, _COPIED: 0.0}
    async with (
        PostgresStore(url, schema=_OURS) as ours,
        PostgresStore(url, schema=_COPIED) as other,
    ):
        generations = await _begun(ours)
        assert generations == await _begun(other)
        connection = await _connected(url)
        try:
            for start in range(0, entries, BATCH):
                made_rows = _made(start, min(entries, start + BATCH), *generations)
                records = _records(made_rows, start, *generations)
                began = time.perf_counter()
                await ours.put(NAMESPACE, made_rows, now=datetime.now(UTC))
                between = time.perf_counter()
                await _copy(connection, records)
                took[_OURS] += between - began
                took[_COPIED] += time.perf_counter() - between
        finally:
            await connection.close()
    return Ingest(entries / took[_OURS], entries / took[_COPIED])


async def _begun(store: PostgresStore) -> tuple[Generation, Generation]:
    return (
        await store.begin("embedding", "given@1", dims=made.DIMS),
        await store.begin("analyser", "given"),
    )


def _made(start: int, stop: int, embedding: Generation, words: Generation) -> list[Row]:
    new = list(made.entries(start, stop))
    return rows(new, made.vectors(start, stop), embedding, words, datetime.now(UTC))


def _records(
    made_rows: Sequence[Row], start: int, embedding: Generation, words: Generation
) -> dict[str, tuple[list[Any], Sequence[str]]]:
    numbered = list(enumerate(made_rows, start + 1))
    vectors, lexemes = [], []
    for nr, row in numbered:
        assert row.vectors is not None
        assert row.lexemes is not None
        vector = row.vectors[embedding.number]
        assert vector is not None
        vectors.append((nr, half_vector(vector)))
        lexemes.append((nr, row.lexemes[words.number]))
    found = Words(1, lexemes)
    return {
        "entry": ([entry_record(nr, 1, row.entry) for nr, row in numbered], ENTRY_COLUMNS),
        f"vector_{embedding.number}": (vectors, VECTOR_COLUMNS),
        f"doc_{words.number}": (found.docs, DOC_COLUMNS),
        f"posting_{words.number}": (found.postings, POSTING_COLUMNS),
    }


async def _copy(connection: Any, records: dict[str, tuple[list[Any], Sequence[str]]]) -> None:
    async with connection.transaction():
        for table, (some, columns) in records.items():
            await connection.copy_records_to_table(
                table, records=some, columns=columns, schema_name=_COPIED
            )


async def _connected(url: str) -> Any:
    connection = await asyncpg.connect(url)
    where = await connection.fetchval(
        "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE extname = 'vector'"
    )
    await register_vector(connection, schema=where)
    return connection
