"""The operations of the service, each from a request on the bus to its answer."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from pepperpy_bus.services.service import Call, Endpoint
from pepperpy_provider_svc.gateway.admission import admit
from pepperpy_provider_svc.gateway.answering import answer
from pepperpy_provider_svc.gateway.embedding import count, embed
from pepperpy_provider_svc.gateway.parts import Parts
from pepperpy_provider_svc.gateway.showing import models, status
from pepperpy_provider_svc.gateway.streaming import KEEPALIVE, stream
from pepperpy_provider_svc.gateway.telling import Account
from pepperpy_schemas.chat import (
    ChatItem,
    ChatReply,
    ChatRequest,
    Delta,
    End,
    KeepAlive,
)
from pepperpy_schemas.provider import (
    CountReply,
    EmbedReply,
    EmbedRequest,
    ModelList,
    ProviderStatus,
    TenantRequest,
)

NAME: Final = "provider"
"""The service's name on the bus."""


class Gateway:
    """Answers every operation with the parts in force.

    Args:
        parts: Returns the parts; a new declaration replaces them.
        replica: Id of this replica.
        keepalive: Seconds between two signs of life of a streamed answer.
    """

    def __init__(
        self, parts: Callable[[], Parts], *, replica: str, keepalive: float = KEEPALIVE
    ) -> None:
        self._parts = parts
        self._replica = replica
        self._keepalive = keepalive
        self.running = 0

    def endpoints(self) -> list[Endpoint]:
        """Returns the operations for `pepperpy_bus.services.service.Service`."""
        return [
            Endpoint(
                op="chat",
                request=ChatRequest,
                reply=ChatReply,
                handler=self.chat,
                doc="Ask a model; the whole answer comes back.",
            ),
            Endpoint(
                op="stream",
                request=ChatRequest,
                reply=ChatItem,
                handler=self.stream,
                doc="Ask a model; the answer comes back in pieces.",
                probe=KeepAlive,
            ),
            Endpoint(
                op="embed",
                request=EmbedRequest,
                reply=EmbedReply,
                handler=self.embed,
                doc="Turn texts into vectors.",
            ),
            Endpoint(
                op="count",
                request=ChatRequest,
                reply=CountReply,
                handler=self.count,
                doc="Count the tokens of a request.",
            ),
            Endpoint(
                op="models",
                request=TenantRequest,
                reply=ModelList,
                handler=self.models,
                doc="List the models that the caller may ask for.",
            ),
            Endpoint(
                op="status",
                request=TenantRequest,
                reply=ProviderStatus,
                handler=self.status,
                doc="Show targets, breakers, limits and what was spent.",
            ),
        ]

    async def chat(self, request: ChatRequest, call: Call) -> ChatReply:
        """Returns a model's whole answer."""
        parts = self._parts()
        async with self._told(parts, call, request.model) as account:
            account.content(request=request.messages)
            admitted = await admit(parts, request, call)
            account.values["tenant"] = admitted.account.name
            reply = await answer(parts, admitted)
            account.answered(
                reply.model,
                reply.usage,
                reply.usd,
                reply.attempts,
                cached=reply.cached,
                similarity=reply.similarity,
                finish=reply.finish,
            )
            account.content(answer=reply.message)
            return reply

    async def stream(self, request: ChatRequest, call: Call) -> AsyncIterator[ChatItem]:
        """Yields a model's answer in pieces."""
        parts = self._parts()
        async with self._told(parts, call, request.model) as account:
            account.content(request=request.messages)
            admitted = await admit(parts, request, call)
            account.values["tenant"] = admitted.account.name
            items = stream(parts, admitted, account.id, keepalive=self._keepalive)
            with account.hearing() as hear:
                async with contextlib.aclosing(items):
                    async for item in items:
                        hear(item)
                        if isinstance(item, Delta):
                            account.first()
                        elif isinstance(item, End):
                            account.answered(
                                item.model,
                                item.usage,
                                item.usd,
                                item.attempts,
                                cached=item.cached,
                                similarity=item.similarity,
                                finish=item.finish,
                            )
                        yield item

    async def embed(self, request: EmbedRequest, call: Call) -> EmbedReply:
        """Returns a vector for every text."""
        parts = self._parts()
        async with self._told(parts, call, request.model) as account:
            reply = await embed(parts, request, call)
            account.answered(reply.model, reply.usage, reply.usd, reply.attempts)
            return reply

    async def count(self, request: ChatRequest, call: Call) -> CountReply:
        """Returns how many tokens a request has."""
        return await count(self._parts(), request, call)

    async def models(self, request: TenantRequest, call: Call) -> ModelList:
        """Returns the models that the caller may ask for."""
        return await models(self._parts(), request, call)

    async def status(self, request: TenantRequest, call: Call) -> ProviderStatus:
        """Returns how this replica is."""
        return await status(
            self._parts(), request, call, replica=self._replica, running=self.running
        )

    @contextlib.asynccontextmanager
    async def _told(self, parts: Parts, call: Call, model: str) -> AsyncIterator[Account]:
        """Tells of the end of what its block does, whatever it is."""
        account = Account(parts, call, model)
        self.running += 1
        try:
            yield account
        except BaseException as error:
            await account.end(error)
            raise
        else:
            await account.end()
        finally:
            self.running -= 1
