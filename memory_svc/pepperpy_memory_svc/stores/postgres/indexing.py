"""What makes entries findable, put into the tables of their generations and taken out."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from pepperpy_memory_svc.stores.postgres import queries
from pepperpy_memory_svc.stores.postgres.connection import Connection
from pepperpy_memory_svc.stores.postgres.entries import (
    DOC_COLUMNS,
    POSTING_COLUMNS,
    VECTOR_COLUMNS,
    Words,
    half_vector,
)
from pepperpy_memory_svc.stores.postgres.portions import portions
from pepperpy_memory_svc.stores.rows import Generation, Lexemes, Vector

_COPIED: Final = 1000
"""Vectors that are stored by one statement: the index takes milliseconds for each of them, and a
statement's time is limited."""
_COUNTED: Final = 20_000
"""Lexemes that are counted, sorted and stored together: what is sorted holds all threads up."""
_AT_ONCE: Final = 1000
"""Lexemes that are counted without a thread."""


async def known_generations(connection: Connection) -> list[Generation]:
    """Returns all generations."""
    found = await connection.fetch(queries.GENERATIONS)
    return [Generation(**each) for each in found]


async def shared_generations(connection: Connection) -> list[Generation]:
    """Returns the generations, which stay as they are until the transaction's end."""
    await connection.execute(queries.SHARE_GENERATIONS)
    return await known_generations(connection)


async def add_vectors(
    connection: Connection, gen: int, vectors: Iterable[tuple[int, Vector | None]]
) -> None:
    """Stores vectors by the numbers of their entries."""
    records = [(nr, None if each is None else half_vector(each)) for nr, each in vectors]
    for begin in range(0, len(records), _COPIED):
        await connection.copy_records_to_table(
            f"vector_{gen}", records=records[begin : begin + _COPIED], columns=VECTOR_COLUMNS
        )


async def add_words(
    connection: Connection, gen: int, ns: int, lexemes: Iterable[tuple[int, Lexemes]]
) -> None:
    """Stores lexemes by the numbers of their entries."""
    docs = length = 0
    for some in portions(lexemes, lambda each: 1 + len(each[1]), _COUNTED):
        words = await _counted(ns, some)
        await connection.copy_records_to_table(
            f"doc_{gen}", records=words.docs, columns=DOC_COLUMNS
        )
        for begin in range(0, len(words.postings), _COUNTED):
            await connection.copy_records_to_table(
                f"posting_{gen}",
                records=words.postings[begin : begin + _COUNTED],
                columns=POSTING_COLUMNS,
            )
        docs += len(words.docs)
        length += words.length
    if docs:
        await connection.execute(queries.ADD_TO_CORPUS, gen, ns, docs, length)


async def _counted(ns: int, lexemes: Sequence[tuple[int, Lexemes]]) -> Words:
    if sum(len(each) for _, each in lexemes) <= _AT_ONCE:
        return Words(ns, lexemes)
    return await asyncio.to_thread(Words, ns, lexemes)


async def unindex(connection: Connection, generation: Generation, nrs: Sequence[int]) -> None:
    """Removes what a generation has for some entries."""
    if nrs:
        embeds = generation.kind == "embedding"
        removal = queries.REMOVE_VECTORS if embeds else queries.REMOVE_WORDS
        await connection.execute(removal.format(gen=generation.number), nrs)


async def remove(
    connection: Connection, generations: Iterable[Generation], nrs: Sequence[int]
) -> None:
    """Removes entries with all that belongs to them."""
    for generation in generations:
        await unindex(connection, generation, nrs)
    if nrs:
        await connection.execute(queries.FORGET_HISTORY, nrs)
        await connection.execute(queries.REMOVE_ENTRIES, nrs)
