"""Pictures by reference: looked at before they are fetched, and fetched once."""

import hashlib
from typing import Any

import pytest

from pepperpy_bus.client import Client
from pepperpy_bus.llm.client import LLM
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_provider_svc.gateway.images import inline_images
from pepperpy_schemas.catalog.provider import PROVIDER_CHAT
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Image, Part, Text
from pepperpy_schemas.errors import TooLarge
from pepperpy_schemas.headers import BLOB
from tests.provider_svc.gateway.conftest import SCRIPT, Serving

PIXEL = b"\x89PNG"


class Counting(Blobs):
    """An object store that counts what is fetched of it."""

    fetched = 0

    async def get(self, reference: str) -> bytes:
        self.fetched += 1
        return await super().get(reference)


def reference_to(body: bytes, size: int) -> str:
    return f"there;sha256={hashlib.sha256(body).hexdigest()};size={size}"


def showing(*references: str) -> ChatRequest:
    pictures: list[Part] = [Image(url=f"blob:{one}", media_type="image/png") for one in references]
    linked = Image(url="https://example.org/a.png")
    said = [ChatMessage("system", "look"), ChatMessage("user", [Text("?"), linked, *pictures])]
    return ChatRequest(messages=said)


async def test_a_picture_that_is_shown_often_is_fetched_once(serving: Serving, llm: LLM) -> None:
    async with serving() as offer:
        blobs = Counting(offer._client.connection, offer._client.prefix)
        reference = await blobs.put(PIXEL)
        request = await inline_images(showing(*[reference] * 9), blobs, limit=9 * 8)
        urls = [part.url for part in request.messages[1].parts if isinstance(part, Image)]
        assert urls == ["https://example.org/a.png", *["data:image/png;base64,iVBORw=="] * 9]
        assert blobs.fetched == 1
        with pytest.raises(TooLarge, match="72 bytes as they are sent, more than 71"):
            await inline_images(showing(*[reference] * 9), blobs, limit=71)
        assert blobs.fetched == 1


async def test_pictures_that_are_too_large_together_are_refused_unfetched(
    serving: Serving, llm: LLM
) -> None:
    small = SCRIPT + '[guards]\nmax_images = "1MiB"\n'
    one = reference_to(PIXEL, 500_000)  # there is no such picture
    request = showing(one, one)
    async with serving(declaration=small):
        with pytest.raises(TooLarge, match="more than 1048576") as refused:
            await llm.chat(request.messages)
    assert "guards.max_images" in str(refused.value.hint)


async def test_a_request_by_reference_is_refused_unfetched_when_it_is_too_large(
    serving: Serving, client: Client
) -> None:
    headers: dict[str, Any] = {BLOB: reference_to(b"", 5 * 1024 * 1024)}
    async with serving():
        answer = await client.connection.request(
            PROVIDER_CHAT.of(client.prefix, principal="anon"), b"null", headers=headers, timeout=5
        )
    assert "5242880 bytes is more than 4194304" in answer.headers["nats-service-error"]
