"""What a provider of models can do, whoever it is."""

from collections.abc import AsyncIterator
from typing import Final, Protocol

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Finish, ToolCallDelta, Usage


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer.

    Attributes:
        message: What the model said.
        finish: Why it stopped.
        usage: Tokens, as the provider counts them.
    """

    message: ChatMessage
    finish: Finish
    usage: Usage


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer; the last one has the finish, and that one alone proves the end.

    Attributes:
        text: The next piece of text.
        reasoning: The next piece of reasoning.
        signature: The provider's proof of the reasoning.
        data: Reasoning that the provider keeps secret.
        tool_calls: The next pieces of tool calls.
        finish: Why the model stopped; None before the end.
        usage: Tokens so far; with the finish those of the whole.
        queued: Whether the request waits for its turn, on this machine: until the next piece no
            time-out runs but that of the whole answer.
    """

    text: str = ""
    reasoning: str = ""
    signature: str = ""
    data: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    queued: bool = False


ALIVE: Final = Chunk()
"""A piece that says nothing but that the provider is at work."""


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors of texts, in their order, and the tokens that they took."""

    vectors: list[list[float]]
    usage: Usage


class Upstream(Protocol):
    """A provider of models.

    It does what it is told once: retries, time-outs and the choice of a provider are the router's.
    What goes wrong is raised as an error of `pepperpy_schemas.errors` of category ``upstream``,
    ``input`` or ``config``, whatever library it came from; nothing else leaves it but
    ``CancelledError``. Cancelling a call, or closing an iterator, closes the socket.
    """

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of a model.

        Args:
            model: The provider's own name of it.
            request: What is asked; its ``model``, ``fallbacks`` and ``cache`` do not count here.
            key: The key to use; empty where the provider wants none.
        """
        ...

    def stream(self, model: str, request: ChatRequest, key: Secret) -> AsyncIterator[Chunk]:
        """Yields the answer in pieces, the last of them with its finish.

        Raises:
            StreamBroken: It ended without a finish, or a piece could not be read.
        """
        ...

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Returns a vector for each text."""
        ...

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the number of tokens of a request, or None where the provider does not count."""
        ...

    async def models(self, key: Secret) -> list[str]:
        """Returns the names of the provider's models."""
        ...

    async def close(self) -> None:
        """Closes what is open."""
        ...
