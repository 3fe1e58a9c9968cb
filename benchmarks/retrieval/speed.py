"""How fast the service is with made-up entries in a PostgreSQL of its own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.brokers import scratch
from benchmarks.retrieval.filled import filled
from benchmarks.retrieval.filtered import Filtered, filtered
from benchmarks.retrieval.ingest import Ingest, ingest
from benchmarks.retrieval.measures import percentile
from benchmarks.retrieval.searches import EMBEDDED, HERE, KINDS, Took, searches
from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.postgres import PostgresStore

SIZES: Final = (1_000, 10_000, 50_000)
GOAL: Final = 10_000
"""The size that the figures without one in their name are of."""
DURABILITY: Final = "fsync on, synchronous_commit on"
KEYS: Final = (
    "hybrid_p50_ms",
    "hybrid_p10_ms",
    "svc_overhead_ms",
    "svc_overhead_given_ms",
    "bus_overhead_ms",
    *(f"{kind}_{size}_p50_ms" for size in SIZES for kind in KINDS),
    *(f"reindex_{size}_s" for size in SIZES),
    "filtered_entries",
    "filtered_rows",
    "filtered_recall",
    "filtered_p95_vs_sql",
    "ingest_rows_per_s",
    "ingest_vs_copy",
)

Figures = dict[str, float | None]


def speed(sizes: Sequence[int], *, searches: int, ingested: int) -> Figures:
    """Prints the tables and returns the figures; conditions are tried in the largest memory.

    Args:
        sizes: How many entries there are, one memory after the other.
        searches: Searches of each kind.
        ingested: Entries that are put and copied.
    """
    figures: Figures = dict.fromkeys(KEYS)
    print(f"\n{'entries':>8} {'search':22} {'p10 ms':>8} {'p50 ms':>8} {'p95 ms':>8}", end="")
    print(f" {'store p50':>10} {'over it':>8}")
    for size in sorted(sizes):
        figures |= asyncio.run(_at(size, searches, last=size == max(sizes)))
    figures |= _ingest_figures(asyncio.run(_ingested(ingested)))
    return figures


async def _at(size: int, count: int, *, last: bool) -> Figures:
    with scratch("memory") as folder:
        async with (
            EmbeddedPostgres(folder / "postgres") as server,
            PostgresStore(server.url) as store,
            filled(store, size) as memory,
        ):
            seconds = await memory.reindexed()
            took = await searches(memory, count)
            found = await filtered(memory, server.url, count) if last else None
    _show(size, took)
    print(f"{size:8} all vectors stored anew and indexed in {seconds:.1f} s, without embedding")
    figures: Figures = {f"{kind}_{size}_p50_ms": round(took[kind].p50, 3) for kind in KINDS}
    figures[f"reindex_{size}_s"] = round(seconds, 2)
    if size == GOAL:
        figures |= _overheads(took)
    return figures | (_filtered_figures(size, found) if found else {})


def _show(size: int, took: dict[str, Took]) -> None:
    for kind, each in took.items():
        p10, p95 = (percentile(each.whole, share) for share in (0.1, 0.95))
        print(f"{size:8} {kind:22} {p10:8.2f} {each.p50:8.2f} {p95:8.2f}", end="")
        print(f" {each.store_p50:10.2f} {each.over_store_p50:8.2f}")


def _overheads(took: dict[str, Took]) -> Figures:
    return {
        "hybrid_p50_ms": round(took[HERE].store_p50, 3),
        "hybrid_p10_ms": round(percentile(took[HERE].store, 0.1), 3),
        "svc_overhead_ms": round(took[EMBEDDED].over_store_p50, 3),
        "svc_overhead_given_ms": round(took[HERE].over_store_p50, 3),
        "bus_overhead_ms": round(took["hybrid"].over_store_p50 - took[HERE].over_store_p50, 3),
    }


def _filtered_figures(size: int, found: Filtered) -> Figures:
    print(f"{size:8} of 1 %: p50 {found.p50:.2f} ms, p95 {found.p95:.2f} ms", end="")
    print(f", by hand {found.by_hand_p50:.2f} and {found.by_hand_p95:.2f} ms", end="")
    print(f"; recall {found.recall:.4f}, all rows in {found.whole:.0%}")
    return {
        "filtered_entries": size,
        "filtered_rows": found.whole,
        "filtered_recall": round(found.recall, 4),
        "filtered_p95_vs_sql": round(found.p95 / found.by_hand_p95, 3),
    }


async def _ingested(entries: int) -> Ingest:
    with scratch("ingest") as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as server:
            return await ingest(server.url, entries)


def _ingest_figures(took: Ingest) -> Figures:
    print(f"ingest: {took.ours:.0f} entries/s, copied {took.copied:.0f}/s: {took.ratio:.2f}")
    return {
        "ingest_rows_per_s": round(took.ours, 1),
        "ingest_vs_copy": round(took.ratio, 3),
    }
