import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.language import Language
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.opening import connect as connect_client
from pepperpy_bus.services.service import Call, Service, call
from pepperpy_bus.sync import connect_sync
from pepperpy_bus.trust.principals import inbox_prefix
from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_memory_svc.language.service import MAX_TOTAL, NAME, LanguageService
from pepperpy_schemas.errors import BadPayload, PermissionDenied, Unavailable
from pepperpy_schemas.language import MAX_TEXT, Analysis, DetectRequest
from tests.memory_svc.language.sentences import SENTENCES

Connect = Callable[..., Coroutine[Any, Any, Connection]]


@pytest.fixture
async def service() -> AsyncIterator[LanguageService]:
    async with LanguageService() as one:
        yield one


@pytest.fixture
async def language(
    service: LanguageService, connect: Connect, connection: Connection, prefix: str
) -> AsyncIterator[Language]:
    """A client of the running service."""
    endpoints = service.endpoints()
    async with Service(await connect(), prefix, NAME, version="1.0.0", endpoints=endpoints):
        yield Language(connection, prefix, "ana")


async def test_languages_are_found_in_the_order_of_the_texts(language: Language) -> None:
    texts = [pair.text for pair in SENTENCES.values()]
    assert [found.lang for found in await language.detect(texts)] == list(SENTENCES)
    (short,) = await language.detect("hotel", main="it")
    assert (short.lang, short.engine) == ("it", "main")


async def test_all_the_words_of_a_text_are_found_as_they_are(language: Language) -> None:
    found = await language.tokenise("The Cats! 😀 sat", lang="en")
    assert [(t.text, t.start, t.end) for t in found.tokens] == [
        ("The", 0, 3),
        ("Cats", 4, 8),
        ("sat", 12, 15),
    ]
    assert (found.engines.stop, found.engines.root) == ("", "")
    pairs = await language.tokenise("東京都", main="ja", bigrams=True)
    assert [token.text for token in pairs.tokens] == ["東京", "京都"]


async def test_stems_and_lemmas_come_with_the_engines_name(language: Language) -> None:
    stems = await language.stem(["libraries", "running"], lang="en")
    assert (stems.words, stems.engine.split()[0]) == (["librari", "run"], "nltk")
    lemmas = await language.lemmatise("पुस्तकालयों", lang="hi")
    assert (lemmas.words, lemmas.engine.split()[0]) == (["पुस्तकालय"], "simplemma")


async def test_a_text_is_analysed_as_the_caller_says(language: Language) -> None:
    found = await language.analyse(SENTENCES["fr"].text)
    assert found.lang == "fr"
    assert SENTENCES["fr"].stems <= {token.lexeme for token in found.tokens}
    plain = await language.analyse("Les Étés", lang="fr", fold=False, stop=False, root="none")
    assert [token.lexeme for token in plain.tokens] == ["Les", "Étés"]
    assert plain.version != found.version


async def test_wrong_requests_name_the_field_before_they_are_sent(language: Language) -> None:
    for ask, path in (
        (lambda: language.detect([]), "$.texts"),
        (lambda: language.detect("x", main="xx"), "$.main"),
        (lambda: language.analyse("x", lang="EN"), "$.lang"),
        (lambda: language.analyse("x", root="x"), "$.pipeline.root"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: language.analyse("x" * (MAX_TEXT + 1)), "$.text"),
        (lambda: language.stem(["x"] * 257, lang="en"), "$.words"),
        (lambda: language.stem("x" * 1001, lang="en"), "$.words[0]"),
    ):
        with pytest.raises(BadPayload) as caught:
            await ask()
        assert caught.value.context["path"] == path


async def test_wrong_requests_of_others_name_the_field(
    language: Language, connection: Connection, prefix: str
) -> None:
    for op, body, path in (
        ("analyse", {"text": "x", "lang": "xx"}, "$.lang"),
        ("analyse", {"lang": "en"}, "$.text"),
        ("stem", {"words": ["x"]}, "$.lang"),
        ("detect", {"texts": [1]}, "$.texts[0]"),
    ):
        with pytest.raises(BadPayload) as caught:
            await call(connection, prefix, NAME, op, body, type=Analysis)
        assert caught.value.context["path"] == path


async def test_a_request_is_bounded_in_all(service: LanguageService) -> None:
    texts = ["x" * MAX_TEXT] * (MAX_TOTAL // MAX_TEXT + 1)
    asked = Call("language", "detect", "ana", {})
    with pytest.raises(BadPayload, match=r"\$\.texts: 1100000 characters") as caught:
        await service.detect(DetectRequest(texts), asked)
    assert caught.value.context["path"] == "$.texts"


async def test_a_long_text_does_not_hold_others_up(language: Language) -> None:
    await language.analyse("warm", lang="en")
    long = asyncio.create_task(language.analyse("words of a text " * 3000, lang="en"))
    await asyncio.gather(*(language.stem("running", lang="en") for _ in range(20)))
    assert len((await long).tokens) == 6000


async def test_it_is_warm_before_it_is_asked(service: LanguageService) -> None:
    await service.warm_up(LANGUAGES)


async def test_nobody_who_serves_is_told_with_what_to_do(
    connection: Connection, prefix: str
) -> None:
    with pytest.raises(Unavailable, match="nobody serves languages") as caught:
        await Language(connection, prefix, "ana").detect("hello")
    assert "memory service" in (caught.value.hint or "")


async def test_a_service_that_does_not_answer_in_time_is_told_as_that(
    connect: Connect, connection: Connection, prefix: str
) -> None:
    other = await connect()
    subject = f"{prefix}.svc.{NAME}.detect.*"
    silent = await other.subscribe(subject, lambda message: None, live=True)
    with pytest.raises(Unavailable) as caught:
        await Language(connection, prefix, "ana").detect("hello", timeout="50ms")
    assert "nobody serves" not in caught.value.message
    await silent.stop()


async def test_clients_ask_with_and_without_await(
    service: LanguageService, connect: Connect, broker: Broker, prefix: str
) -> None:
    def ask() -> str:
        with connect_sync(broker.url, bus__prefix=prefix) as bus:
            return bus.language.stem("cats", lang="en").words[0]

    endpoints = service.endpoints()
    async with Service(await connect(), prefix, NAME, version="1.0.0", endpoints=endpoints):
        async with connect_client(broker.url, bus__prefix=prefix) as client:
            assert (await client.language.stem("cats", lang="en")).words == ["cat"]
        assert await asyncio.to_thread(ask) == "cat"


async def test_the_role_memory_serves_it_and_no_other(
    connect: Connect, service: LanguageService, broker_factory: Callable[..., Broker]
) -> None:
    guarded = broker_factory(logins=role_logins())

    async def as_role(role: str) -> Connection:
        password = guarded.logins[role].password
        inbox = inbox_prefix(role)
        return await connect(guarded.url, user=role, password=password, inbox_prefix=inbox)

    endpoints = service.endpoints()
    with pytest.raises(PermissionDenied):
        async with Service(
            await as_role("provider"), "pp", NAME, version="1.0.0", endpoints=endpoints
        ):
            raise AssertionError("the provider's role serves languages")
    async with Service(await as_role("memory"), "pp", NAME, version="1.0.0", endpoints=endpoints):
        for role in ("worker", "producer"):
            asking = Language(await as_role(role), "pp", role)
            assert (await asking.stem("cats", lang="en")).words == ["cat"]
