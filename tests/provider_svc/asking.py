"""What the router is tried with: providers that do what a plan says, and a clock that jumps."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

from pepperpy_bus.config.values import Secret
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_provider_svc.declared.models import Routing, Timeouts
from pepperpy_provider_svc.routing.answers import Answered, Restarted
from pepperpy_provider_svc.routing.route import Route, RouteTarget
from pepperpy_provider_svc.routing.router import Router
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Usage
from pepperpy_schemas.errors import PepperError, RateLimited, StreamBroken

Streams = Callable[..., Awaitable[None]]
Step = Callable[[ChatRequest], AsyncGenerator[Chunk, None]]

WORDS = ("one ", "two ", "three ")
WHOLE = "".join(WORDS)
USED = Usage(input_tokens=10, output_tokens=3)
QUICK = Timeouts(first_byte=0.15, first_token=0.25, idle=0.15, total=2.0)
ASK = ChatRequest(messages=[ChatMessage("user", "Count to three.")])


async def answers(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    yield Chunk()
    for word in WORDS:
        yield Chunk(text=word)
    yield Chunk(finish="stop", usage=USED)


def fails(error: PepperError, *, after: int = 0, usage: Usage | None = None) -> Step:
    """Fails, perhaps after some words."""

    async def step(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        for word in WORDS[:after]:
            yield Chunk(text=word, usage=usage)
        raise type(error)(error.message, context=error.context)

    return step


async def stays_silent(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    await asyncio.Event().wait()
    yield Chunk()


async def begins_late(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    yield Chunk()
    await asyncio.Event().wait()


async def stalls(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    for word in WORDS[:2]:
        yield Chunk(text=word)
    await asyncio.Event().wait()


async def has_no_end(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    for word in WORDS:
        yield Chunk(text=word)


def limited(seconds: float | None = None) -> RateLimited:
    return RateLimited(context={} if seconds is None else {"retry_after": seconds})


class Planned:
    """An upstream whose calls follow a plan, then do the last step of it for ever."""

    def __init__(self, *plan: Step) -> None:
        self.plan = deque(plan or (answers,))
        self.asked: list[tuple[str, ChatRequest, str]] = []
        self.open = 0
        self.tokens: int | None = 7

    @property
    def calls(self) -> int:
        return len(self.asked)

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        self.asked.append((model, request, key.get_secret_value()))
        step = self.plan.popleft() if len(self.plan) > 1 else self.plan[0]
        self.open += 1
        try:
            async with aclosing(step(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.open -= 1

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        text = ""
        async with aclosing(self.stream(model, request, key)) as chunks:
            async for chunk in chunks:
                text += chunk.text
                if chunk.finish is not None:
                    said = ChatMessage("assistant", text)
                    return Completion(message=said, finish=chunk.finish, usage=USED)
        raise StreamBroken

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        await self.complete(model, ASK, key)
        return Embeddings(vectors=[[1.0] for _ in texts], usage=Usage(input_tokens=len(texts)))

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        await self.complete(model, request, key)
        return self.tokens

    async def models(self, key: Secret) -> list[str]:
        return []

    async def close(self) -> None:
        pass


class Held:
    """The keys of every provider: one named main unless others are given."""

    def __init__(self, **names: list[str]) -> None:
        self._names = names

    def of(self, provider: str) -> list[HeldKey]:
        return [
            HeldKey(provider=provider, name=name, secret=Secret(name), tokens_per_minute=1000)
            for name in self._names.get(provider, ["main"])
        ]


class Free:
    """Rates that limit nobody, unless told so."""

    def __init__(self) -> None:
        self.busy: dict[str, list[float | None]] = {}
        self.taken: list[tuple[str, int]] = []
        self.settled: list[tuple[str, int, int]] = []

    async def take(self, key: HeldKey, tokens: int) -> None:
        name = f"{key.provider}/{key.name}"
        if waits := self.busy.get(name):
            raise limited(waits.pop(0))
        self.taken.append((name, tokens))

    async def settle(self, key: HeldKey, reserved: int, used: int) -> None:
        self.settled.append((f"{key.provider}/{key.name}", reserved, used))


class Listed:
    """Prices of a million tokens in; windows."""

    def __init__(
        self, usd: dict[str, float] | None = None, windows: dict[str, int] | None = None
    ) -> None:
        self._usd = usd or {}
        self._windows = windows or {}

    def usd(self, target: str, usage: Usage) -> float | None:
        price = self._usd.get(target)
        return None if price is None else price * usage.input_tokens / 1e6

    def context_window(self, target: str) -> int | None:
        return self._windows.get(target)


class Chance(random.Random):
    """No chance at all: the smallest number there is, always."""

    def random(self) -> float:
        return 0.0


class JumpingClock(ServerClock):
    """The server's clock, put forward at will."""

    ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)


class Noted:
    """A bill."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, Usage]] = []

    async def ready(self) -> None:
        pass

    def add(self, target: str, usage: Usage) -> None:
        self.paid.append((target, usage))


def route_to(
    *names: str,
    routing: Routing = "order",
    timeouts: Timeouts = QUICK,
    windows: dict[str, int] | None = None,
) -> Route:
    known = windows or {}
    targets = tuple(
        RouteTarget(name.partition("/")[0], name.partition("/")[2], context_window=known.get(name))
        for name in names
    )
    return Route(targets, routing, timeouts)


class Heard:
    """What a caller has of a streamed answer."""

    def __init__(self) -> None:
        self.text = ""
        self.restarts: list[str] = []
        self.answered: Answered[Any] | None = None

    def take(self, item: Chunk | Restarted | Answered[None]) -> None:
        match item:
            case Chunk(text=text):
                self.text += text
            case Restarted(error):
                self.restarts.append(error.code)
                self.text = ""
            case Answered():
                self.answered = item


async def listen(
    router: Router,
    route: Route,
    request: ChatRequest = ASK,
    *,
    deadline: float | None = None,
    tokens: int = 100,
    bill: Noted | None = None,
) -> Heard:
    """Reads a streamed answer to its end."""
    heard = Heard()
    streaming = router.stream(route, request, deadline=deadline, tokens=tokens, bill=bill)
    async with aclosing(streaming) as items:
        async for item in items:
            heard.take(item)
    return heard


async def ask(
    router: Router,
    route: Route,
    request: ChatRequest = ASK,
    *,
    deadline: float | None = None,
    tokens: int = 100,
    bill: Noted | None = None,
) -> Heard:
    """Gets a whole answer, in the same form."""
    heard = Heard()
    heard.answered = await router.complete(
        route, request, deadline=deadline, tokens=tokens, bill=bill
    )
    heard.text = heard.answered.value.message.text
    return heard
