"""Models in folders of one's own: what the files beside them say is done, what is wrong is told."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.folder import fingerprint, reading
from pepperpy_memory_svc.embedding.onnx import OnnxEmbedder
from pepperpy_memory_svc.embedding.sentence_transformers import SentenceTransformerEmbedder
from pepperpy_schemas.errors import BadConfig
from tests.memory_svc.embedding.embedders import onnx_folder, torch_folder
from tests.memory_svc.embedding.test_embedders import cosine

PROMPTS = "config_sentence_transformers.json"
POOLING = "1_Pooling/config.json"

Made = Callable[[Path], Embedder]


@pytest.fixture(params=["onnx", "sentence-transformers"])
def model(request: pytest.FixtureRequest) -> Iterator[tuple[Made, Path]]:
    """An embedder of folders, and a folder that may be changed."""
    if request.param == "onnx":
        with onnx_folder() as folder:
            yield OnnxEmbedder, folder
    else:
        with torch_folder() as folder:
            yield SentenceTransformerEmbedder, folder


def write(folder: Path, name: str, said: object) -> None:
    """Puts a file in the place of a link."""
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(json.dumps(said))


async def test_a_model_is_given_its_prompts(model: tuple[Made, Path]) -> None:
    made, folder = model
    write(folder, PROMPTS, {"prompts": {"query": "question: ", "document": "text: "}})
    async with made(folder) as embedder:
        [query] = await embedder.embed(["where is it?"], "query")
        [passage] = await embedder.embed(["where is it?"], "passage")
    write(folder, PROMPTS, {})
    async with made(folder) as plain:
        texts = ["question: where is it?", "text: where is it?", "where is it?"]
        asked, told, bare = await plain.embed(texts, "query")
        assert plain.version != embedder.version
    assert cosine(query, asked) == pytest.approx(1, abs=1e-4)
    assert cosine(passage, told) == pytest.approx(1, abs=1e-4)
    assert cosine(query, bare) < 0.999


async def test_no_more_is_read_than_the_model_says(model: tuple[Made, Path]) -> None:
    made, folder = model
    write(folder, "sentence_bert_config.json", {"max_seq_length": 8})
    async with made(folder) as embedder:
        text = "one two three four five six"
        short, long = await embedder.embed([text, f"{text} and more words"], "passage")
        assert cosine(short, long) == pytest.approx(1, abs=1e-5)


async def test_both_engines_make_nearly_the_same_of_one_model() -> None:
    texts = ["The parcel was left with the neighbour.", "Otters hold hands while they sleep."]
    with torch_folder() as one, onnx_folder() as other:
        async with SentenceTransformerEmbedder(one) as torch, OnnxEmbedder(other) as onnx:
            pairs = zip(
                await torch.embed(texts, "passage"), await onnx.embed(texts, "passage"), strict=True
            )
            assert [cosine(a, b) > 0.95 for a, b in pairs] == [True, True]


async def test_a_broken_file_is_named(model: tuple[Made, Path]) -> None:
    made, folder = model
    name = "model.onnx" if made is OnnxEmbedder else "config.json"
    write(folder, name, "nothing of use")
    with pytest.raises(BadConfig, match="minilm cannot be loaded"):
        async with made(folder):
            pytest.fail("it cannot be opened")


async def test_a_folder_without_a_tokenizer_is_told_from_a_model() -> None:
    with onnx_folder() as folder:
        (folder / "tokenizer.json").unlink()
        with pytest.raises(BadConfig, match=r"not both model\.onnx and tokenizer\.json"):
            async with OnnxEmbedder(folder):
                pytest.fail("it cannot be opened")


async def test_the_first_token_is_the_vector_where_the_model_says_so() -> None:
    with onnx_folder() as folder:
        async with OnnxEmbedder(folder) as mean:
            [meant] = await mean.embed(["a few words"], "passage")
        (folder / "1_Pooling").unlink()
        (folder / "1_Pooling").mkdir()
        write(folder, POOLING, {"pooling_mode": "cls"})
        async with OnnxEmbedder(folder) as cls:
            [first] = await cls.embed(["a few words"], "passage")
        assert cosine(meant, first) < 0.999


@pytest.mark.parametrize(
    ("said", "pooling"),
    [
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
    ],
)
def test_pooling_is_told_in_two_ways(tmp_path: Path, said: object, pooling: str) -> None:
    (tmp_path / "1_Pooling").mkdir()
    write(tmp_path, POOLING, said)
    assert reading(tmp_path).pooling == pooling


@pytest.mark.parametrize(
    "said",
    [
        {"pooling_mode": "max"},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode_max_tokens": True},
        ["no object"],
    ],
)
def test_pooling_that_is_unknown_here_is_refused(tmp_path: Path, said: object) -> None:
    (tmp_path / "1_Pooling").mkdir()
    write(tmp_path, POOLING, said)
    with pytest.raises(BadConfig, match="1_Pooling"):
        reading(tmp_path)


def test_a_folder_with_other_weights_has_another_fingerprint(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"header" + bytes(300_000) + b"end")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert fingerprint(tmp_path) == before
    weights.write_bytes(b"header" + bytes(300_000) + b"END")
    assert fingerprint(tmp_path) != before
