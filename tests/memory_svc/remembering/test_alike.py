"""Texts that say the same, and whose vectors told so."""

from collections.abc import Sequence

from pepperpy_bus.memory import Memory
from pepperpy_memory_svc.embedding.embedder import Purpose, Vector
from tests.memory_svc.remembering.conftest import As, Serving


async def test_a_reply_says_whose_vectors_were_compared(ana: Memory) -> None:
    await ana.put("The parcel is in Lisbon.")
    assert (await ana.search("parcel")).embedder == "hashing:64@1"
    assert (await ana.search("parcel", mode="semantic")).embedder == "hashing:64@1"
    assert (await ana.search("parcel", mode="text")).embedder == ""


async def test_what_says_the_same_is_compared_as_entries_are(serving: Serving, by: As) -> None:
    async with serving() as offer:
        ana = by("ana")
        asked: list[Purpose] = []
        current = await offer.parts.index.current()
        embed = current.embedder.inner.embed

        async def noted(texts: Sequence[str], purpose: Purpose) -> list[Vector]:
            asked.append(purpose)
            return await embed(texts, purpose)

        current.embedder.inner.embed = noted  # type: ignore[method-assign]
        await ana.put("The parcel is in Lisbon.")
        assert (await ana.search("The parcel is in Lisbon.", alike=True)).hits
        assert asked == ["passage"]  # it is known already
        await ana.search("The parcel is in Lisbon.")
        assert asked == ["passage", "query"]
