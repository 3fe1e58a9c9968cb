"""Whose turn a task is, of several versions with weights: pure.

A key always goes to the same version while the weights and who is up stay as they are. When a
version is gone, only its keys move, to the others in proportion to their weights; when a weight is
changed, no more keys move than must. That is weighted rendezvous hashing, by the logarithmic method
of Schindelhauer and Schomaker (2005): of all versions the one with the least ``-ln(u) / weight``,
where ``u`` in (0, 1) is a hash of the key and the version.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence

from pepperpy_bus.streams.topology import SHARDS


def in_force(weights: Mapping[str, int], up: Collection[str]) -> dict[str, int]:
    """Returns the weights that count now: of the versions that are up and shall get something."""
    return {version: n for version, n in sorted(weights.items()) if n > 0 and version in up}


def choose(weights: Mapping[str, int], key: str) -> str:
    """Returns the version that a key belongs to; empty when no version has a weight.

    Args:
        weights: The weights `in_force`.
        key: What always goes to the same version: a task's id.
    """
    return min(weights, key=lambda version: _distance(key, version, weights[version]), default="")


def homes(weights: Mapping[str, int], count: int = SHARDS) -> Sequence[str]:
    """Returns the version of each shard; empty ones when no version has a weight.

    Shards are few: each version gets its part of them to the nearest whole (largest remainders),
    and one with a weight gets at least one while there are enough. A changed weight moves those at
    the borders alone.
    """
    total = sum(weights.values())
    if not total:
        return [""] * count
    exact = {version: count * n / total for version, n in weights.items()}
    parts = {version: int(part) for version, part in exact.items()}
    by_remainder = sorted(
        exact, key=lambda version: (int(exact[version]) - exact[version], version)
    )
    for version in by_remainder[: count - sum(parts.values())]:
        parts[version] += 1
    for version in [one for one, part in parts.items() if not part]:
        richest = max(parts, key=lambda one: parts[one])
        if parts[richest] > 1:
            parts[richest] -= 1
            parts[version] = 1
    return [version for version, part in parts.items() for _ in range(part)]


def _distance(key: str, version: str, weight: int) -> float:
    digest = hashlib.blake2b(f"{version}\0{key}".encode(), digest_size=8).digest()
    drawn = (int.from_bytes(digest) + 0.5) / 2**64
    # The largest digests are rounded to 1.
    return -math.log(min(drawn, 1 - 2**-53)) / weight
