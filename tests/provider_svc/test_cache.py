import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.kv import Bucket
from pepperpy_provider_svc.cache.answers import Answers, may_keep
from pepperpy_provider_svc.cache.digest import digest_of
from pepperpy_provider_svc.routing.route import Route, RouteTarget
from pepperpy_schemas.chat import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    Finish,
    ResponseFormat,
    Text,
    ToolCall,
    ToolSpec,
    Try,
    Usage,
)
from pepperpy_schemas.tokens import TOKEN

Streams = Callable[..., Awaitable[None]]

ROUTE = Route((RouteTarget("openai", "gpt-5"), RouteTarget("anthropic", "claude")))
REQUEST = ChatRequest(
    messages=[ChatMessage("system", "Be brief."), ChatMessage("user", "Where is my parcel?")],
    temperature=0.0,
    tools=[ToolSpec("look", "looks", {"type": "object", "properties": {}})],
)
DIGEST = digest_of("a", REQUEST, ROUTE)


def changed(**changes: object) -> ChatRequest:
    return msgspec.structs.replace(REQUEST, **changes)


def reply_of(text: str = "Here.", finish: Finish = "stop") -> ChatReply:
    return ChatReply(
        message=ChatMessage("assistant", text),
        finish=finish,
        usage=Usage(10, 5),
        model="openai/gpt-5",
        usd=0.01,
        attempts=[Try("openai/gpt-5", 12)],
    )


@pytest.fixture
async def answers(connection: Connection, prefix: str, streams: Streams) -> Answers:
    await streams(connection, prefix, "provider")
    return Answers(connection, prefix)


# --- digest -------------------------------------------------------------------------------------


def test_a_digest_can_be_a_key_and_is_the_same_in_every_replica() -> None:
    assert TOKEN.fullmatch(DIGEST)
    fresh = msgspec.json.decode(msgspec.json.encode(REQUEST), type=ChatRequest)
    assert digest_of("a", fresh, ROUTE) == DIGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [ChatMessage("user", "Where is my parcel?")]},
        {"messages": [*REQUEST.messages, ChatMessage("assistant", [ToolCall("c1", "look")])]},
        {"tools": []},
        {"tool_choice": "required"},
        {"response_format": ResponseFormat({"type": "object"})},
        {"max_tokens": 10},
        {"temperature": 0.5},
        {"temperature": None},
        {"top_p": 0.5},
        {"stop": ["x"]},
        {"seed": 1},
        {"reasoning": "high"},
    ],
)
def test_whatever_decides_the_answer_decides_the_digest(changes: dict[str, object]) -> None:
    assert digest_of("a", changed(**changes), ROUTE) != DIGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "another-alias"},
        {"cache": "on"},
        {"tenant": "a"},
        {"no_restart": True},
        {"prompt_cache_key": "k"},
        {
            "messages": [
                ChatMessage("system", [Text("Be brief.", cache=True)]),
                ChatMessage("user", [Text("Where is my parcel?")]),
            ]
        },
        {"tools": [ToolSpec("look", "looks", {"properties": {}, "type": "object"})]},
    ],
)
def test_what_does_not_decide_the_answer_does_not_decide_the_digest(
    changes: dict[str, object],
) -> None:
    assert digest_of("a", changed(**changes), ROUTE) == DIGEST


def test_tenants_and_targets_decide_the_digest() -> None:
    assert digest_of("b", REQUEST, ROUTE) != DIGEST
    assert digest_of("a", REQUEST, Route(ROUTE.targets[:1])) != DIGEST
    assert digest_of("a", REQUEST, Route(ROUTE.targets[::-1])) != DIGEST


@pytest.mark.parametrize(
    ("cache", "temperature", "kept"),
    [
        ("auto", 0.0, True),
        ("auto", None, False),
        ("auto", 0.7, False),
        ("on", 0.7, True),
        ("on", None, True),
        ("off", 0.0, False),
    ],
)
def test_an_answer_is_kept_at_temperature_zero_or_when_asked_for(
    cache: str, temperature: float | None, kept: bool
) -> None:
    assert may_keep(changed(cache=cache, temperature=temperature)) is kept


# --- answers ------------------------------------------------------------------------------------


async def test_a_stored_answer_costs_nothing(answers: Answers) -> None:
    assert await answers.get("a", DIGEST) is None
    assert await answers.put("a", DIGEST, reply_of(), ttl=60)
    assert await answers.get("a", DIGEST) == ChatReply(
        message=ChatMessage("assistant", "Here."),
        finish="stop",
        usage=Usage(),
        model="openai/gpt-5",
        usd=0.0,
        cached=True,
    )
    assert await answers.get("b", DIGEST) is None
    assert answers.hits == 1


async def test_an_answer_is_forgotten_after_its_time(answers: Answers) -> None:
    await answers.put("a", DIGEST, reply_of(), ttl=1)
    assert await answers.get("a", DIGEST) is not None
    async with asyncio.timeout(5):
        while await answers.get("a", DIGEST) is not None:
            await asyncio.sleep(0.05)


async def test_an_answer_larger_than_a_message_is_not_kept_and_hurts_nobody(
    answers: Answers,
) -> None:
    assert not await answers.put("a", DIGEST, reply_of("x" * 2_000_000), ttl=60)
    assert await answers.get("a", DIGEST) is None


async def test_an_answer_that_was_filtered_is_not_kept(answers: Answers) -> None:
    assert not await answers.put("a", DIGEST, reply_of(finish="content_filter"), ttl=60)
    assert await answers.get("a", DIGEST) is None


async def test_an_answer_of_another_version_is_none(
    answers: Answers, connection: Connection, prefix: str
) -> None:
    await Bucket(connection, f"{prefix}_provider").put(f"cached.a.{DIGEST}", b'{"message":1}')
    assert await answers.get("a", DIGEST) is None
    assert answers.hits == 0


async def test_a_cache_that_does_not_answer_has_nothing_and_keeps_nothing(
    own: Connection, own_broker: Broker, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    own_broker.stop_sync()
    answers = Answers(own, prefix)
    with caplog.at_level(logging.WARNING, "pepperpy.provider"):
        stored, found = await asyncio.gather(
            answers.put("a", DIGEST, reply_of(), ttl=60), answers.get("a", DIGEST)
        )
    assert (stored, found) == (False, None)
    assert "provider.cache_unread" in caplog.text
    assert "provider.cache_unwritten" in caplog.text
