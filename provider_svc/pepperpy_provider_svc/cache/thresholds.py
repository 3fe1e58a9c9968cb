"""From which cosine on two questions count as the same; every embedder has a scale of its own."""

from typing import Final

from pepperpy_provider_svc.declared.models import Semantic, Threshold

MEASURED: Final = {"e5": Threshold(same=0.985, other=0.95)}
"""By `benchmarks/similar.py`: of new questions in a text that many were asked about, less than one
in a hundred gets the answer to another one. Cosines of e5 are compressed: texts that have nothing
in common have about .8; the thresholds of another model would let everything through, or nothing.
"""


def threshold_of(semantic: Semantic, embedder: str) -> Threshold | None:
    """Returns the threshold of an embedder: the declared one, or the measured; None without.

    Args:
        semantic: What is declared.
        embedder: The embedder, as replies of the memory service have it: ``name@version``.
    """
    name = embedder.rpartition("@")[0]
    return semantic.thresholds.get(name) or MEASURED.get(name)
