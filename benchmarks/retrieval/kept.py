"""Vectors kept in a folder, so that a benchmark that is run again need not embed again."""

import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pepperpy_memory_svc.embedding.cache import Key, key_of
from pepperpy_memory_svc.embedding.embedder import Embedder, Purpose, Vector


class KeptEmbedder:
    """Embeds with another embedder what is not in its file yet.

    The file is named by the model, its version and its dimensions; a record is the digest of text
    and purpose, and the numbers in single precision. A record that a killed run left unfinished is
    cut off.

    Args:
        inner: The embedder, not open yet.
        folder: Where the file is; None keeps nothing.
    """

    def __init__(self, inner: Embedder, folder: Path | None) -> None:
        self.inner = inner
        self.computed = 0
        self._folder = folder
        self._kept: dict[Key, Vector] = {}

    @property
    def name(self) -> str:
        """The embedder's name."""
        return self.inner.name

    @property
    def version(self) -> str:
        """The embedder's version."""
        return self.inner.version

    @property
    def dims(self) -> int:
        """Numbers of a vector."""
        return self.inner.dims

    @property
    def characters(self) -> int:
        """Characters of all texts of one call, at most."""
        return self.inner.characters

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._read()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.inner.__aexit__(kind, error, trace)

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """See `Embedder.embed`."""
        keys = [key_of(text, purpose) for text in texts]
        missing = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self._kept
        }
        if missing:
            vectors = await self.inner.embed(list(missing.values()), purpose)
            new = dict(zip(missing, vectors, strict=True))
            self._kept |= new
            self.computed += len(new)
            self._append(new)
        return [self._kept[key] for key in keys]

    @property
    def _path(self) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{self.name}-{self.version}-{self.dims}.vectors"

    def _read(self) -> None:
        path = self._path
        if path is None or not path.exists():
            return
        digest = len(key_of("", "query"))
        size = digest + 4 * self.dims
        held = path.read_bytes()
        whole = len(held) - len(held) % size
        if whole != len(held):
            os.truncate(path, whole)
        for start in range(0, whole, size):
            record = held[start : start + size]
            self._kept[record[:digest]] = array("f", record[digest:])

    def _append(self, new: dict[Key, Vector]) -> None:
        path = self._path
        if path is None:
            return
        with path.open("ab") as file:
            file.write(b"".join(key + vector.tobytes() for key, vector in new.items()))
