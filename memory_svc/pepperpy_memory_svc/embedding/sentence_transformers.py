"""Any model of sentence-transformers that lies on this machine; nothing is downloaded."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.embedding.one_thread import OneThread, imported, rows_of
from pepperpy_schemas.errors import BadConfig


class SentenceTransformerEmbedder:
    """Embeds with a model of sentence-transformers.

    Its prompts ``query`` and ``passage`` (or ``document``) are used where the model has them.

    Args:
        path: The model's folder.
        device: Where torch computes: ``cpu``, ``cuda``, ``mps``.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        self.name = path.name or str(path)
        self.version = "st"
        self.dims = 0
        self.characters = 8_000
        self._path = path
        self._device = device
        self._model: Any = None
        self._thread = OneThread("sentence-transformers")

    async def __aenter__(self) -> Self:
        try:
            self._model = await self._thread.run(self._load)
        except BaseException:
            await self._thread.close()
            raise
        self.dims = int(self._model.get_sentence_embedding_dimension())
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

    def _load(self) -> Any:
        if not self._path.is_dir():
            # A name that is no folder would be looked for on the network.
            raise BadConfig(
                f"{self._path} is no folder of a model",
                hint="download the model, and name its folder: sentence-transformers:FOLDER",
            )
        package = imported("sentence_transformers", "embed-torch")
        try:
            return package.SentenceTransformer(
                str(self._path), device=self._device, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BadConfig(f"{self._path} cannot be loaded: {error}") from error

    def _embed(self, texts: list[str], purpose: Purpose) -> list[Vector]:
        names = ("query",) if purpose == "query" else ("passage", "document")
        prompts: dict[str, str] = self._model.prompts or {}
        prompt = next((prompts[name] for name in names if prompts.get(name)), None)
        return rows_of(
            self._model.encode(
                texts,
                prompt=prompt,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        )
