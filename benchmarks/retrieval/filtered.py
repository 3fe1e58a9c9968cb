"""Searches with a condition that one entry of a hundred fulfils, beside the same as plain SQL."""

import json
import time
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it has no types
import msgspec
import numpy as np
from pgvector import HalfVector
from pgvector.asyncpg import register_vector

from benchmarks.retrieval import made
from benchmarks.retrieval.filled import NAMESPACE, Filled
from benchmarks.retrieval.measures import percentile, recall
from pepperpy_memory_svc.stores.postgres.sessions import SCHEMA
from pepperpy_memory_svc.stores.rows import Wanted
from pepperpy_schemas.memory import Eq

LIMIT: Final = 10
_ALL: Final = 10_000
_WARM: Final = 5

# What one would write by hand who knows that few fulfil the condition: all of them are compared.
_BY_HAND: Final = """
WITH few AS MATERIALIZED (
    SELECT nr, id, text FROM entry
    WHERE ns = (SELECT nr FROM namespace WHERE name = $1) AND metadata @> $2::jsonb
)
SELECT few.id, few.text FROM few JOIN vector_{gen} v USING (nr) ORDER BY v.emb <#> $3 LIMIT {limit}
"""


class Filtered(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        whole: Share of searches that gave as many rows as were wanted and there are.
        recall: Share of the nearest that fulfil the condition which were found.
        p50: Median of the store, ms.
        p95: What one of twenty takes longer than, ms.
        by_hand_p50: Median of the SQL, ms.
        by_hand_p95: The same as ``p95`` of the SQL, ms.
    """

    whole: float
    recall: float
    p50: float
    p95: float
    by_hand_p50: float
    by_hand_p95: float


async def filtered(filled: Filled, url: str, count: int) -> Filtered:
    """Asks the store and its database in turn, by vectors alone.

    Args:
        filled: The memory, in a PostgreSQL.
        url: The database.
        count: How many questions.
    """
    current = await filled.served.parts.index.current()
    gen, now = current.embedding.number, datetime.now(UTC)
    vectors = made.vectors(0, filled.size)
    of_tag = filled.size // made.TAGS
    store = filled.served.parts.store
    rows: list[bool] = []
    found: list[float] = []
    ours: list[float] = []
    by_hand: list[float] = []
    connection = await _connected(url)
    try:
        for number, (_, vector) in enumerate(made.questions(filled.size, count + _WARM)):
            tag = number % made.TAGS
            wanted = Wanted(
                namespace=NAMESPACE,
                vector=vector.tolist(),
                embedding=gen,
                where=Eq("metadata.tag", tag),
                limit=LIMIT,
            )
            began = time.perf_counter()
            answer = await store.candidates(wanted, now=now)
            ended = time.perf_counter()
            query = _BY_HAND.format(gen=gen, limit=LIMIT)
            condition = json.dumps({"tag": tag})
            await connection.fetch(query, NAMESPACE, condition, HalfVector(vector))
            if number < _WARM:
                continue
            ours.append((ended - began) * 1000)
            by_hand.append((time.perf_counter() - ended) * 1000)
            found.append(
                recall([each.id for each in answer.vector], _nearest(vectors, vector, tag))
            )
            everything = msgspec.structs.replace(wanted, limit=_ALL)
            every = await store.candidates(everything, now=now)
            rows.append(len(answer.vector) == LIMIT and len(every.vector) == of_tag)
    finally:
        await connection.close()
    return Filtered(
        whole=float(np.mean(rows)),
        recall=float(np.mean(found)),
        p50=percentile(ours, 0.5),
        p95=percentile(ours, 0.95),
        by_hand_p50=percentile(by_hand, 0.5),
        by_hand_p95=percentile(by_hand, 0.95),
    )


def _nearest(vectors: made.Floats, vector: made.Floats, tag: int) -> list[str]:
    places = np.arange(tag, len(vectors), made.TAGS)
    best = np.argsort(-(vectors[places] @ vector), kind="stable")[:LIMIT]
    return [made.entry_id(int(places[each])) for each in best]


async def _connected(url: str) -> Any:
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    where = await connection.fetchval(
        "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE extname = 'vector'"
    )
    await connection.execute(f"SET search_path = {SCHEMA}, {where}")
    await register_vector(connection, schema=where)
    return connection
