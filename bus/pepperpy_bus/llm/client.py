"""Language models, as everybody asks them: through the provider service."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, TypeVar, Unpack, cast

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm.account import Account, Free, tokens_in, tokens_of
from pepperpy_bus.llm.options import DEFAULT, ChatOptions, Conversation, chat_request
from pepperpy_bus.llm.order import PATIENCE, in_order
from pepperpy_bus.llm.starting import START, Starting
from pepperpy_bus.services.asking import place_of
from pepperpy_bus.services.calls import call, call_stream
from pepperpy_bus.streams.blobs import THRESHOLD
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.catalog.provider import (
    PROVIDER_CHAT,
    PROVIDER_COUNT,
    PROVIDER_EMBED,
    PROVIDER_MODELS,
    PROVIDER_STATUS,
    PROVIDER_STREAM,
)
from pepperpy_schemas.chat import ChatItem, ChatReply, ChatRequest, Delta, End, Reset, Usage
from pepperpy_schemas.codec import convert
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.provider import (
    CountReply,
    EmbedReply,
    EmbedRequest,
    ModelInfo,
    ModelList,
    ProviderStatus,
    TenantRequest,
)
from pepperpy_schemas.subjects import Subject

T = TypeVar("T")

TIMEOUT: Final = "5m"
"""How long an answer may take when the caller does not say."""
IDLE: Final = "20s"
"""How long a streamed answer may be silent; the service gives a sign of life every 5 s."""


class LLM:
    """Asks models under one principal's name.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        principal: The caller's own name; permissions refuse any other.
        threshold: Bytes above which a request travels by reference.
        account: Who pays besides, and limits the time.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        principal: str,
        *,
        threshold: int = THRESHOLD,
        account: Account | None = None,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._principal = principal
        self._threshold = threshold
        self._account = account or Free()

    def paid_by(self, account: Account) -> "LLM":
        """Returns the same, with all requests charged to an account."""
        return LLM(
            self._connection,
            self._prefix,
            self._principal,
            threshold=self._threshold,
            account=account,
        )

    async def chat(
        self,
        messages: Conversation,
        *,
        model: str = DEFAULT,
        timeout: Duration = TIMEOUT,
        **options: Unpack[ChatOptions],
    ) -> ChatReply:
        """Asks a model and returns its whole answer.

        Args:
            messages: The user's text, or the conversation.
            model: An alias of the provider service, or ``provider/model``.
            timeout: How long it may take.
            **options: See `ChatOptions`.

        Raises:
            Unavailable: Nobody serves models, or there was no answer in time.
            PepperError: What went wrong at the provider, or with the request.
        """
        request = chat_request(messages, model, options)
        async with self._account.paying(tokens_of(request)) as paid:
            reply = await self._call(PROVIDER_CHAT, request, ChatReply, timeout)
            paid(Usage() if reply.cached else reply.usage, reply.usd)
        return reply

    async def stream(
        self,
        messages: Conversation,
        *,
        model: str = DEFAULT,
        timeout: Duration = TIMEOUT,
        idle: Duration = IDLE,
        **options: Unpack[ChatOptions],
    ) -> AsyncGenerator[Delta | Reset | End, None]:
        """Asks a model and yields its answer in pieces; the last one is the `End`.

        What came before a `Reset` does not count. Leaving early cancels the request: close the
        iterator, with `contextlib.aclosing`.

        Args:
            messages: The user's text, or the conversation.
            model: An alias of the provider service, or ``provider/model``.
            timeout: How long all of it may take.
            idle: How long nothing may come.
            **options: See `ChatOptions`.

        Raises:
            StreamBroken: A piece is missing, nothing came for too long, or there was no end.
            Unavailable: Nobody serves models, or nobody began to answer.
            PepperError: What went wrong at the provider, or with the request.
        """
        request = chat_request(messages, model, options)
        async with self._account.paying(tokens_of(request)) as paid:
            limit = self._account.limit(parse_duration(timeout))
            items = self._stream(request, limit, parse_duration(idle))
            async with contextlib.aclosing(items):
                async for item in items:
                    if isinstance(item, End):
                        paid(Usage() if item.cached else item.usage, item.usd)
                    yield item

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str = "embedding",
        dimensions: int | None = None,
        tenant: str = "",
        timeout: Duration = "1m",
    ) -> EmbedReply:
        """Turns texts into vectors.

        Args:
            texts: One text, or at most 2048.
            model: An alias of the provider service, or ``provider/model``.
            dimensions: Length of the vectors, where the model can choose.
            tenant: For whom it is, where the caller may speak for several.
            timeout: How long it may take.
        """
        said: dict[str, Any] = {
            "texts": [texts] if isinstance(texts, str) else texts,
            "model": model,
            "dimensions": dimensions,
            "tenant": tenant,
        }
        request = convert(said, EmbedRequest)
        async with self._account.paying(tokens_in(request)) as paid:
            reply = await self._call(PROVIDER_EMBED, request, EmbedReply, timeout)
            paid(reply.usage, reply.usd)
        return reply

    async def count(
        self,
        messages: Conversation,
        *,
        model: str = DEFAULT,
        timeout: Duration = "30s",
        **options: Unpack[ChatOptions],
    ) -> CountReply:
        """Counts the tokens that a request would have.

        Args:
            messages: The user's text, or the conversation.
            model: An alias of the provider service, or ``provider/model``.
            timeout: How long it may take.
            **options: See `ChatOptions`.
        """
        request = chat_request(messages, model, options)
        return await self._call(PROVIDER_COUNT, request, CountReply, timeout)

    async def models(self, *, tenant: str = "", timeout: Duration = "30s") -> list[ModelInfo]:
        """Lists the models that the caller may ask for, aliases first."""
        said = TenantRequest(tenant)
        return (await self._call(PROVIDER_MODELS, said, ModelList, timeout)).models

    async def status(self, *, timeout: Duration = "30s") -> ProviderStatus:
        """Returns how the replica that answers is: targets, breakers, limits, what was spent."""
        return await self._call(PROVIDER_STATUS, TenantRequest(), ProviderStatus, timeout)

    async def _call(self, subject: Subject[Any], body: object, kind: type[T], time: Duration) -> T:
        limit = self._account.limit(parse_duration(time))
        starting = Starting(min(limit, START), self._connection.loop)
        while True:
            try:
                return await call(
                    self._connection,
                    self._prefix,
                    *place_of(subject),
                    body,
                    principal=self._principal,
                    type=kind,
                    headers=self._account.headers,
                    timeout=limit,
                    patience=PATIENCE,
                    threshold=self._threshold,
                )
            except Unavailable as error:
                await starting.wait(error)

    async def _stream(
        self, request: ChatRequest, limit: float, idle: float
    ) -> AsyncGenerator[Delta | Reset | End, None]:
        starting = Starting(min(limit, START), self._connection.loop)
        while True:
            items = call_stream(
                self._connection,
                self._prefix,
                *place_of(PROVIDER_STREAM),
                request,
                principal=self._principal,
                type=cast("type[ChatItem]", ChatItem),
                headers=self._account.headers,
                # Silence is told apart, and found out, one floor above.
                idle=limit + 2 * PATIENCE,
                timeout=limit,
                threshold=self._threshold,
            )
            checked = in_order(items, idle=idle, timeout=limit)
            try:
                async with contextlib.aclosing(items), contextlib.aclosing(checked):
                    async for item in checked:
                        yield item
            except Unavailable as error:
                await starting.wait(error)
            else:
                return
