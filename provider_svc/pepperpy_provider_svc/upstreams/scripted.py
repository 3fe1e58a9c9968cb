"""A provider whose answers stand in a file: for tests and demonstrations, when one asks for it."""

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from pepperpy_bus.config.values import Secret
from pepperpy_provider_svc.upstreams.assembly import Assembly
from pepperpy_provider_svc.upstreams.script import Rule, ScriptedCall, read_rules
from pepperpy_provider_svc.upstreams.upstream import Chunk, Completion, Embeddings
from pepperpy_schemas.chat import ChatRequest, Finish, ToolCallDelta, Usage
from pepperpy_schemas.errors import RequestRefused

MODELS: Final = ("scripted",)
_DIMENSIONS: Final = 16
_WORD: Final = re.compile(r"\s*\S+\s*")


class Scripted:
    """An `Upstream`; the form of its file is told in `script`. Every model answers the same.

    Args:
        provider: Whom errors name.
        path: The file of rules.
    """

    def __init__(self, provider: str, path: Path) -> None:
        self._provider = provider
        self._path = path
        self._rules = read_rules(path)
        self._used = [0] * len(self._rules)

    async def complete(self, model: str, request: ChatRequest, key: Secret) -> Completion:
        """Returns the whole answer of the first rule that fits."""
        answer = Assembly()
        async with aclosing(self.stream(model, request, key)) as chunks:
            async for chunk in chunks:
                answer.add(chunk)
        return answer.completion()

    async def stream(
        self, model: str, request: ChatRequest, key: Secret
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the answer of the first rule that fits, a word at a time.

        Raises:
            RequestRefused: No rule fits.
        """
        rule = self._rule(request)
        for chunk, delay in _pieces(rule):
            await asyncio.sleep(delay)
            yield chunk
        if rule.error is not None:
            raise rule.error.raised()
        usage = rule.usage or Usage(input_tokens=_words(request), output_tokens=_length(rule))
        yield Chunk(finish=_finish(rule), usage=usage)

    async def embed(
        self, model: str, texts: list[str], dimensions: int | None, key: Secret
    ) -> Embeddings:
        """Returns vectors of length 1 that depend on the texts alone."""
        vectors = [_vector(text, dimensions or _DIMENSIONS) for text in texts]
        return Embeddings(vectors=vectors, usage=Usage(input_tokens=sum(map(_count, texts))))

    async def count(self, model: str, request: ChatRequest, key: Secret) -> int | None:
        """Returns the number of words."""
        return _words(request)

    async def models(self, key: Secret) -> list[str]:
        """Returns the one name there is."""
        return list(MODELS)

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    def _rule(self, request: ChatRequest) -> Rule:
        for number, rule in enumerate(self._rules):
            left = rule.times is None or self._used[number] < rule.times
            if left and rule.fits(request):
                self._used[number] += 1
                return rule
        raise RequestRefused(
            f"{self._provider}: no rule of {self._path.name} fits the request",
            hint="add a rule without match at the end",
        )


def _pieces(rule: Rule) -> Iterator[tuple[Chunk, float]]:
    """The pieces of an answer, each with the seconds before it; the first says nothing."""
    yield Chunk(), 0.0
    if rule.reasoning:
        yield Chunk(reasoning=rule.reasoning), 0.0
    for word in _WORD.findall(rule.text):
        yield Chunk(text=word), 0.0
    for piece in rule.chunks:
        yield Chunk(text=piece.text), piece.after
    for index, call in enumerate(rule.tool_calls):
        yield Chunk(tool_calls=(_delta(index, call),)), 0.0


def _delta(index: int, call: ScriptedCall) -> ToolCallDelta:
    given = call.arguments
    arguments = given if isinstance(given, str) else msgspec.json.encode(given).decode()
    return ToolCallDelta(
        index=index, id=call.id or f"call_{index}", name=call.name, arguments=arguments
    )


def _finish(rule: Rule) -> Finish:
    return rule.finish or ("tool_calls" if rule.tool_calls else "stop")


def _count(text: str) -> int:
    return len(text.split())


def _words(request: ChatRequest) -> int:
    return sum(_count(message.text) for message in request.messages)


def _length(rule: Rule) -> int:
    texts = [rule.text, rule.reasoning, *(piece.text for piece in rule.chunks)]
    return sum(map(_count, texts)) + len(rule.tool_calls)


def _vector(text: str, dimensions: int) -> list[float]:
    seed = hashlib.shake_256(text.encode()).digest(2 * dimensions)
    numbers = [int.from_bytes(seed[n : n + 2]) - 32767.5 for n in range(0, len(seed), 2)]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]
