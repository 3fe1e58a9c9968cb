"""Answers of a real provider kept in a file, and played again without it."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_bus.files import write_file
from pepperpy_provider_svc.upstreams.assembly import Assembly
from pepperpy_provider_svc.upstreams.script import read_file
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings, Upstream
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import BadConfig, NotFound

VERSION: Final = 1
_NOTHING: Final = Chunk()
_HIDDEN: Final = "***"
_NOT_ASKED: Final = {"model", "fallbacks", "cache", "tenant", "no_restart", "prompt_cache_key"}


class Take(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was asked once, and what came back: pieces, vectors, a count or names."""

    asked: dict[str, Any]
    chunks: list[Chunk] = []
    embeddings: Embeddings | None = None
    count: int | None = None
    models: list[str] = []


class Tape(msgspec.Struct, frozen=True):
    """The file: what was asked, by the hash of it."""

    cassette: int
    takes: dict[str, Take]


class Source(msgspec.Struct, frozen=True):
    """Whom to ask what is not in the file yet.

    Attributes:
        upstream: The provider.
        model: Its model that is asked, whatever model the request is for.
        key: Returns the key to use now; it is never written.
    """

    upstream: Upstream
    model: str
    key: Callable[[], Secret]


class Cassette:
    """An `Upstream` that plays what was recorded; without a source it records nothing.

    Whole and streamed answers share a recording. Errors are passed on, not recorded.

    Args:
        provider: Whom errors name.
        path: The file; with a source it need not exist.
        source: Whom to ask what is not in it.
    """

    def __init__(self, provider: str, path: Path, source: Source | None = None) -> None:
        self._provider = provider
        self._path = path
        self._source = source
        new = source is not None and not path.exists()
        self._takes = {} if new else read_tape(path).takes
        self._writing = asyncio.Lock()

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the recorded answer, put together from its pieces."""
        answer = Assembly()
        async with aclosing(self.stream(model, request, key)) as chunks:
            async for chunk in chunks:
                answer.add(chunk)
        return answer.completion()

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the recorded pieces, at once; asks the source for what is not recorded."""
        asked = {"model": model, "chat": _canonical(request)}
        take = self._takes.get(_digest(asked))
        if take is not None:
            for chunk in take.chunks:
                yield chunk
            return
        source = self._found(asked)
        chunks: list[Chunk] = []
        coming = source.upstream.stream(source.model, request, source.key())
        try:
            async for chunk in coming:
                if chunk != _NOTHING:
                    chunks.append(chunk)
                yield chunk
        finally:
            if isinstance(coming, AsyncGenerator):
                await coming.aclose()
        await self._keep(Take(asked=asked, chunks=chunks), source)

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Returns the recorded vectors."""
        asked = {"model": model, "embed": texts, "dimensions": dimensions}
        take = self._takes.get(_digest(asked))
        if take is None or take.embeddings is None:
            source = self._found(asked)
            got = await source.upstream.embed(source.model, texts, dimensions, source.key())
            take = Take(asked=asked, embeddings=got)
            await self._keep(take, source)
        assert take.embeddings is not None
        return take.embeddings

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the recorded number of tokens."""
        asked = {"model": model, "count": _canonical(request)}
        take = self._takes.get(_digest(asked))
        if take is None:
            source = self._found(asked)
            got = await source.upstream.count(source.model, request, source.key())
            take = Take(asked=asked, count=got)
            await self._keep(take, source)
        return take.count

    async def models(self, key: Secret) -> list[str]:
        """Returns the names of the models that are in the recording."""
        names = {str(take.asked["model"]) for take in self._takes.values()}
        return sorted(names | ({self._source.model} if self._source else set()))

    async def close(self) -> None:
        """Does nothing: the source is closed by who made it."""

    def _found(self, asked: dict[str, Any]) -> Source:
        """The source.

        Raises:
            NotFound: There is none: the request was never recorded.
        """
        if self._source is None:
            raise NotFound(
                f"{self._provider}: the request {_digest(asked)[:12]} is not in {self._path.name}",
                hint=f"record it: set record of provider {self._provider} to a provider/model",
            )
        return self._source

    async def _keep(self, take: Take, source: Source) -> None:
        key = source.key().get_secret_value()
        async with self._writing:
            self._takes[_digest(take.asked)] = take
            tape = msgspec.json.encode(Tape(VERSION, self._takes), order="deterministic")
            text = msgspec.json.format(tape, indent=1).decode()
            content = text.replace(key, _HIDDEN) if key else text
            await asyncio.to_thread(write_file, self._path, content)


def is_tape(path: Path) -> bool:
    """Tells whether a file is a recording; a list of rules is none."""
    content = read_file(path)
    return isinstance(content, dict) and "cassette" in content


def read_tape(path: Path) -> Tape:
    """Returns what was recorded in a file.

    Raises:
        BadConfig: It is no recording, or one of another version.
    """
    try:
        tape = msgspec.convert(read_file(path), Tape)
    except msgspec.ValidationError as error:
        raise BadConfig(f"{path} is no recording: {error}") from None
    if tape.cassette != VERSION:
        raise BadConfig(f"{path} is a recording of version {tape.cassette}, not of {VERSION}")
    return tape


def _canonical(request: ChatRequest) -> dict[str, Any]:
    """What of a request the provider is asked; who asks, and how often, does not count."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    return {name: value for name, value in fields.items() if name not in _NOT_ASKED}


def _digest(asked: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()
