"""Many requests share the calls of one embedder."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.cache import VectorCache, key_of
from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from pepperpy_memory_svc.embedding.hashing import HashingEmbedder
from pepperpy_schemas.errors import Overloaded, RequestRefused, Unavailable, UpstreamFailed


class Gated(HashingEmbedder):
    """Embeds when it may, and keeps what it was asked."""

    characters = 100

    def __init__(self) -> None:
        super().__init__(dims=16)
        self.calls: list[tuple[Purpose, list[str]]] = []
        self.open = asyncio.Event()
        self.asked = asyncio.Event()
        self.short = False
        self.passing = 0

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        self.calls.append((purpose, list(texts)))
        self.asked.set()
        await self.open.wait()
        if self.passing:
            self.passing -= 1
            raise Unavailable("away")
        if "bad" in texts:
            raise RequestRefused("one text is bad")
        if "crash" in texts:
            raise ZeroDivisionError("crash")
        vectors = await super().embed(texts, purpose)
        return vectors[1:] if self.short else vectors


@pytest.fixture
async def batched() -> AsyncIterator[BatchedEmbedder[Gated]]:
    async with BatchedEmbedder(Gated(), batch=4, waiting=20) as one:
        one.inner.open.set()
        yield one


async def held(batched: BatchedEmbedder[Gated]) -> "asyncio.Task[list[Vector]]":
    """A request whose call runs until the gate opens."""
    batched.inner.open.clear()
    batched.inner.asked.clear()
    task = asyncio.create_task(batched.embed(["held"], "passage"))
    await batched.inner.asked.wait()
    return task


async def test_it_is_what_it_embeds_with(batched: BatchedEmbedder[Gated]) -> None:
    assert (batched.name, batched.version, batched.dims) == ("hashing", "1", 16)
    assert batched.characters == 100
    [vector] = await batched.embed(["a word"], "query")
    assert vector == (await HashingEmbedder(dims=16).embed(["a word"], "query"))[0]


async def test_requests_of_one_moment_share_a_call(batched: BatchedEmbedder[Gated]) -> None:
    texts = ["one", "two", "three", "four"]
    await asyncio.gather(*(batched.embed([text], "query") for text in texts))
    assert batched.inner.calls == [("query", texts)]


async def test_a_text_is_embedded_once_for_all_who_want_it(batched: BatchedEmbedder[Gated]) -> None:
    running = await held(batched)
    others = [asyncio.create_task(batched.embed(["held", "b", "b"], "passage")) for _ in range(3)]
    await asyncio.sleep(0)
    batched.inner.open.set()
    found = await asyncio.gather(running, *others)
    assert batched.inner.calls == [("passage", ["held"]), ("passage", ["b"])]
    assert [len(vectors) for vectors in found] == [1, 3, 3, 3]
    await batched.embed(["b", "held"], "passage")
    assert len(batched.inner.calls) == 2


async def test_a_question_is_not_taken_for_a_passage(batched: BatchedEmbedder[Gated]) -> None:
    await batched.embed(["same"], "query")
    await batched.embed(["same"], "passage")
    assert [purpose for purpose, _ in batched.inner.calls] == ["query", "passage"]


async def test_questions_go_before_passages_that_wait(batched: BatchedEmbedder[Gated]) -> None:
    running = await held(batched)
    passages = asyncio.create_task(batched.embed([f"p{n}" for n in range(8)], "passage"))
    await asyncio.sleep(0)
    question = asyncio.create_task(batched.embed(["q"], "query"))
    await asyncio.sleep(0)
    batched.inner.open.set()
    await asyncio.gather(running, passages, question)
    assert [purpose for purpose, _ in batched.inner.calls[1:]] == ["query", "passage", "passage"]


async def test_batches_are_bounded_by_number_and_by_characters(
    batched: BatchedEmbedder[Gated],
) -> None:
    await batched.embed([*"abcdef", "x" * 90, "y" * 90, "z" * 300], "passage")
    assert [len(texts) for _, texts in batched.inner.calls] == [4, 3, 1, 1]


async def test_who_is_cancelled_takes_its_texts_out_of_the_line(
    batched: BatchedEmbedder[Gated],
) -> None:
    running = await held(batched)
    leaving = asyncio.create_task(batched.embed(["alone", "shared"], "passage"))
    staying = asyncio.create_task(batched.embed(["shared"], "passage"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    batched.inner.open.set()
    await asyncio.gather(running, staying)
    assert batched.inner.calls[1:] == [("passage", ["shared"])]


async def test_a_cancelled_call_is_computed_to_its_end_and_kept(
    batched: BatchedEmbedder[Gated],
) -> None:
    running = await held(batched)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    batched.inner.open.set()
    await batched.embed(["held"], "passage")
    assert len(batched.inner.calls) == 1


async def test_a_text_that_is_refused_takes_none_with_it(batched: BatchedEmbedder[Gated]) -> None:
    good, bad = await asyncio.gather(
        batched.embed(["good"], "passage"),
        batched.embed(["bad"], "passage"),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException)
    assert isinstance(bad, RequestRefused)


async def test_a_text_that_makes_the_model_raise_anything_takes_none_with_it(
    batched: BatchedEmbedder[Gated],
) -> None:
    ends = await asyncio.gather(
        *(batched.embed([text], "passage") for text in ("one", "crash", "two")),
        return_exceptions=True,
    )
    assert [isinstance(end, BaseException) for end in ends] == [False, True, False]
    assert isinstance(ends[1], UpstreamFailed)
    assert [len(texts) for _, texts in batched.inner.calls] == [3, 1, 1, 1]


async def test_an_embedder_that_is_away_fails_the_batch_and_the_next_one_works(
    batched: BatchedEmbedder[Gated],
) -> None:
    batched.inner.passing = 1
    with pytest.raises(Unavailable):
        await batched.embed(["a", "b"], "passage")
    assert len(await batched.embed(["a", "b"], "passage")) == 2
    assert batched.calls == 2


async def test_foreign_errors_are_translated(batched: BatchedEmbedder[Gated]) -> None:
    with pytest.raises(UpstreamFailed, match="ZeroDivisionError: crash"):
        await batched.embed(["crash"], "passage")


async def test_an_answer_of_another_number_of_vectors_is_refused(
    batched: BatchedEmbedder[Gated],
) -> None:
    batched.inner.short = True
    with pytest.raises(UpstreamFailed, match="gave 1 vectors of"):
        await batched.embed(["a", "b"], "passage")


async def test_more_texts_than_may_wait_are_refused(batched: BatchedEmbedder[Gated]) -> None:
    running = await held(batched)
    waiting = asyncio.create_task(batched.embed([f"p{n}" for n in range(18)], "passage"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="18 texts wait"):
        await batched.embed([f"q{n}" for n in range(5)], "query")
    batched.inner.open.set()
    await asyncio.gather(running, waiting)


async def test_one_request_may_have_more_texts_than_may_wait(
    batched: BatchedEmbedder[Gated],
) -> None:
    assert len(await batched.embed([f"p{n}" for n in range(50)], "passage")) == 50


async def test_who_waits_at_the_end_is_told() -> None:
    gated = Gated()
    async with BatchedEmbedder(gated) as batched:
        tasks = [asyncio.create_task(batched.embed([t], "passage")) for t in ("run", "wait")]
        await gated.asked.wait()
        tasks.append(asyncio.create_task(batched.embed(["late"], "query")))
        await asyncio.sleep(0)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [Unavailable] * 3


def test_the_cache_keeps_what_was_asked_for_last() -> None:
    vectors = {text: HashingEmbedder(dims=100)._embed(text) for text in "abc"}
    cache = VectorCache(1300)
    for text in "ab":
        cache.put(key_of(text, "query"), vectors[text])
    assert cache.get(key_of("a", "query")) == vectors["a"]
    cache.put(key_of("c", "query"), vectors["c"])
    assert cache.get(key_of("b", "query")) is None
    assert (len(cache), cache.hits, cache.misses) == (2, 1, 1)
    assert cache.bytes <= 1300


def test_a_cache_without_room_keeps_nothing() -> None:
    cache = VectorCache(0)
    cache.put(key_of("a", "query"), HashingEmbedder()._embed("a"))
    assert not len(cache)
