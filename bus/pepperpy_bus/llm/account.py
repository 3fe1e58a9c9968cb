"""Who pays for requests, and until when they may take."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, TypeAlias

from pepperpy_schemas.chat import ChatRequest, Usage
from pepperpy_schemas.codec import encode

Paid: TypeAlias = Callable[[Usage, float | None], None]
"""Takes what a request has cost: its tokens, and its US dollars where they are known."""

ANSWER: Final = 1_000
"""Tokens that are reserved for an answer without ``max_tokens``."""
_BYTES: Final = 3
"""Of a request for one token, from below: most texts have four."""


class Account(Protocol):
    """What requests are charged to."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of every request: for which task it is."""
        ...

    def limit(self, seconds: float) -> float:
        """Returns how many of these seconds a request may take."""
        ...

    def paying(self, tokens: int) -> AbstractAsyncContextManager[Paid]:
        """Reserves tokens while a request runs, and takes what it has cost.

        Raises:
            BudgetExceeded: Fewer are left.
        """
        ...


class Free:
    """The account of those whom nothing limits but the provider service."""

    headers: Mapping[str, str] = {}

    def limit(self, seconds: float) -> float:
        """Returns all of them."""
        return seconds

    @contextlib.asynccontextmanager
    async def paying(self, tokens: int) -> AsyncIterator[Paid]:  # noqa: ARG002 - as the others
        """Reserves nothing."""
        yield lambda *_: None


def tokens_of(request: ChatRequest) -> int:
    """Returns about how many tokens a request and its answer have at most."""
    return tokens_in(request) + (request.max_tokens or ANSWER)


def tokens_in(said: object) -> int:
    """Returns about how many tokens something has, from above."""
    return len(encode(said)) // _BYTES + 1
