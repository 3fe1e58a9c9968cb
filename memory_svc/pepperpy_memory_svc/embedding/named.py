"""The embedder that a setting names."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from pepperpy_bus.llm import LLM
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.hashing import HashingEmbedder
from pepperpy_schemas.errors import BadConfig

HINT: Final = (
    "write e5, hashing, hashing:DIMS, sentence-transformers:FOLDER, provider or provider:MODEL"
)


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
        case "sentence-transformers" if argument:
            from pepperpy_memory_svc.embedding.sentence_transformers import (
                SentenceTransformerEmbedder,
            )

            return SentenceTransformerEmbedder(Path(argument))
        case "provider":
            from pepperpy_memory_svc.embedding.provider import ProviderEmbedder

            return ProviderEmbedder(llm(), model=argument or "embedding")
        case _:
            raise BadConfig(f"{text!r} is no embedder", hint=HINT)


def _hashing(argument: str, text: str) -> HashingEmbedder:
    if not argument:
        return HashingEmbedder()
    if not argument.isascii() or not argument.isdigit() or not 8 <= int(argument) <= 16_000:
        raise BadConfig(f"{text!r}: it has 8 to 16000 dimensions", hint=HINT)
    return HashingEmbedder(dims=int(argument))
