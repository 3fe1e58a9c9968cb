"""A memory that grows to a million entries: figures and a plot, written to a folder."""

import json
from collections.abc import Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has no types

from benchmarks.brokers import scratch
from benchmarks.retrieval.filled import filled
from benchmarks.retrieval.filtered import filtered
from benchmarks.retrieval.measures import percentile
from benchmarks.retrieval.searches import searches
from pepperpy_memory_svc.stores.embedded import EmbeddedPostgres
from pepperpy_memory_svc.stores.postgres import PostgresStore

_QUESTIONS: Final = 100
_COLOURS: Final = ("#4c78a8", "#f58518", "#54a24b", "#b279a2")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _RIGHT = 640, 400, 60, 40, 150


async def growth(folder: Path, sizes: Sequence[int]) -> dict[int, dict[str, float]]:
    """Fills a PostgreSQL with each number of entries; writes ``memory.json`` and ``memory.svg``.

    What was measured is written after each size, so that a run that is ended leaves what it has.
    The databases are temporary; a million entries take some ten gigabytes.

    Args:
        folder: Where to write.
        sizes: How many entries, one memory after the other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[int, dict[str, float]] = {}
    for size in sizes:
        figures[size] = await _at(size)
        print(f"{size:9}", "  ".join(f"{name} {each:g}" for name, each in figures[size].items()))
        (folder / "memory.json").write_text(json.dumps(figures, indent=1))
        series = {
            name: [(size, each[name]) for size, each in figures.items()]
            for name in ("hybrid", "semantic", "text", "of 1 %")
        }
        (folder / "memory.svg").write_text(plot(series))
    return figures


async def _at(size: int) -> dict[str, float]:
    with scratch("million") as folder:
        async with (
            EmbeddedPostgres(folder / "postgres") as server,
            PostgresStore(server.url) as store,
            filled(store, size) as memory,
        ):
            seconds = await memory.reindexed()
            took = await searches(memory, _QUESTIONS)
            few = await filtered(memory, server.url, _QUESTIONS)
            disk = await _disk(server.url)
    figures: dict[str, float] = {}
    for kind in ("hybrid", "semantic", "text"):
        figures[kind] = round(took[kind].store_p50, 2)
        figures[f"{kind} p95"] = round(percentile(took[kind].store, 0.95), 2)
    figures |= {"of 1 %": round(few.p50, 2), "of 1 % p95": round(few.p95, 2)}
    figures |= {"recall of 1 %": round(few.recall, 4), "put, s": round(memory.seconds, 1)}
    return figures | {"re-index, s": round(seconds, 1), "disk, GB": round(disk / 1e9, 2)}


async def _disk(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


def plot(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Returns lines over two logarithmic axes as SVG: milliseconds in the store by entries.

    Args:
        series: Points by what they are called, each of a number of entries and milliseconds.
    """
    points = [point for each in series.values() for point in each]
    across = _Axis([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    up = _Axis([y for _, y in points], _HEIGHT - _BOTTOM, 20)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        '<text x="8" y="14">ms in the store, median</text>',
    ]
    for power in across.powers:
        x = across.place(10.0**power)
        parts.append(f'<path d="M{x:.0f} 20V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.0f}" y="{_HEIGHT - 20}" text-anchor="middle">{10**power:,}</text>'
        )
    for power in up.powers:
        y = up.place(10.0**power)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10.0**power:g}</text>'
        )
    for (name, line), colour in zip(series.items(), _COLOURS, strict=False):
        drawn = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = line[-1]
        parts.append(
            f'<text x="{across.place(x) + 8:.0f}" y="{up.place(y) + 4:.0f}" fill="{colour}">'
            f"{name} {y:g}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """A logarithmic axis over whole powers of ten."""

    def __init__(self, values: Sequence[float], begin: int, end: int) -> None:
        lowest, highest = log10(min(values)), log10(max(values))
        self._low = int(lowest // 1)
        self._high = max(self._low + 1, -int(-highest // 1))
        self._begin, self._end = begin, end

    @property
    def powers(self) -> range:
        """The powers of ten on it."""
        return range(self._low, self._high + 1)

    def place(self, value: float) -> float:
        """Returns where a value is."""
        share = (log10(value) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)
