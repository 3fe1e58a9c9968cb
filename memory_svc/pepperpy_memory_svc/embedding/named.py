"""The embedder that a setting names."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from pepperpy_bus.llm import LLM
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.hashing import HashingEmbedder
from pepperpy_schemas.errors import BadConfig

HINT: Final = (
    "write e5, hashing, hashing:DIMS, sentence-transformers, sentence-transformers:FOLDER, "
    "onnx:FOLDER, provider or provider:MODEL"
)


def check_name(text: str) -> None:
    """Refuses what names no embedder, or a model that is not on this machine, before one is made.

    Args:
        text: The name, as in settings.

    Raises:
        BadConfig: What is wrong, and what to do about it.
    """
    from pepperpy_memory_svc.embedding.folder import existing
    from pepperpy_memory_svc.embedding.onnx import model_files
    from pepperpy_memory_svc.embedding.sentence_transformers import packaged_model

    kind, colon, argument = text.partition(":")
    match kind:
        case "onnx" if argument:
            model_files(Path(argument))
        case "sentence-transformers" if argument:
            existing(Path(argument), kind)
        case "sentence-transformers" if not colon:
            packaged_model()
        case "hashing":
            _hashing(argument, text)
        case "provider":
            pass  # which models there are is known on the bus alone
        case "e5" if not colon:
            pass  # its package is its model
        case _:
            raise unknown(text)


def named_embedder(text: str, llm: Callable[[], LLM]) -> Embedder:
    """Returns the embedder that ``kind`` or ``kind:argument`` names; it is not open yet.

    Args:
        text: The name, as in settings.
        llm: The models on the bus.

    Raises:
        BadConfig: There is no such embedder.
    """
    kind, colon, argument = text.partition(":")
    match kind:
        case "e5" if not colon:
            from pepperpy_memory_svc.embedding.e5 import E5Embedder

            return E5Embedder()
        case "hashing":
            return _hashing(argument, text)
        case "sentence-transformers" if argument or not colon:
            from pepperpy_memory_svc.embedding.sentence_transformers import (
                SentenceTransformerEmbedder,
            )

            return SentenceTransformerEmbedder(Path(argument) if argument else None)
        case "onnx" if argument:
            from pepperpy_memory_svc.embedding.onnx import OnnxEmbedder

            return OnnxEmbedder(Path(argument))
        case "provider":
            from pepperpy_memory_svc.embedding.provider import ProviderEmbedder

            return ProviderEmbedder(llm(), model=argument or "embedding")
        case _:
            raise unknown(text)


def unknown(text: str) -> BadConfig:
    """Returns what is wrong with a name that is no embedder's."""
    return BadConfig(f"{text!r} is no embedder", hint=HINT)


def _hashing(argument: str, text: str) -> HashingEmbedder:
    if not argument:
        return HashingEmbedder()
    if not argument.isascii() or not argument.isdigit() or not 8 <= int(argument) <= 16_000:
        raise BadConfig(f"{text!r}: it has 8 to 16000 dimensions", hint=HINT)
    return HashingEmbedder(dims=int(argument))
