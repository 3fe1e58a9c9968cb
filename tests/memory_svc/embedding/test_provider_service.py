"""Vectors by way of the real provider service, of a server that speaks as OpenAI's does."""

from collections.abc import AsyncIterator

import pytest
from llmock.pytest_plugin import LLMock

from pepperpy_bus.llm import LLM
from pepperpy_memory_svc.embedding.batching import BatchedEmbedder
from pepperpy_memory_svc.embedding.named import named_embedder
from pepperpy_memory_svc.embedding.provider import ProviderEmbedder
from pepperpy_schemas.errors import UnknownModel, UpstreamFailed
from tests.memory_svc.embedding.test_embedders import cosine
from tests.provider_svc.gateway.conftest import (  # noqa: F401 - fixtures
    Serving,
    client,
    llm,
    serving,
)

DECLARED = """
[providers.zoo]
kind = "openai"
base_url = "{url}"
keys = [{{env = "ZOO_KEY"}}]

[models.embedding]
targets = ["zoo/text-embedding-3-small"]
"""


@pytest.fixture
async def served(serving: Serving, llmock: LLMock) -> AsyncIterator[LLMock]:  # noqa: F811
    declaration = DECLARED.format(url=llmock.base_url("openai"))
    async with serving(declaration=declaration, environ={"ZOO_KEY": "secret"}):
        yield llmock


async def test_texts_are_embedded_by_the_model_that_is_declared(
    served: LLMock,
    llm: LLM,  # noqa: F811
) -> None:
    async with BatchedEmbedder(named_embedder("provider", lambda: llm)) as embedder:
        texts = ["The parcel is upstairs.", "Otters sleep.", "The parcel is upstairs."]
        one, other, again = await embedder.embed(texts, "passage")
        assert len(one) == len(other) == embedder.dims > 100
        assert one == again
        assert cosine(one, one) == pytest.approx(1, abs=1e-3)
        asked = [entry.body["input"] for entry in served.requests]
    assert asked == [["dimensions"], texts[:2]]


async def test_a_model_that_has_not_the_dimensions_that_were_asked_for_is_refused(
    served: LLMock,
    llm: LLM,  # noqa: F811
) -> None:
    async with ProviderEmbedder(llm, dimensions=64) as embedder:
        with pytest.raises(UpstreamFailed, match="1536 numbers where 64 were due"):
            await embedder.embed(["a text"], "query")
    assert served.last_request.body["dimensions"] == 64


async def test_a_model_that_is_not_declared_is_told_at_the_start(
    served: LLMock,
    llm: LLM,  # noqa: F811
) -> None:
    with pytest.raises(UnknownModel):
        async with named_embedder("provider:zebra", lambda: llm):
            pytest.fail("it cannot be opened")
