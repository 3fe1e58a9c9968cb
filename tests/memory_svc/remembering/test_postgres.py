"""The operations on a real PostgreSQL: the same as in memory."""

from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from pepperpy_schemas.errors import NotFound
from pepperpy_schemas.memory import Eq, Link, Neighbours, Recency
from tests.memory_svc.remembering.conftest import As, Clock, Serving
from tests.memory_svc.stores.conftest import postgres  # noqa: F401 - a fixture
from tests.memory_svc.stores.making import fresh


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[str]:  # noqa: F811 - the fixture
    """The address of a database that no other test uses."""
    name = f"t{fresh()[:16]}"
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE {name}")
    yield postgres.replace("/postgres?", f"/{name}?")
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def test_a_life_of_entries_from_put_to_expiry(
    database: str, serving: Serving, by: As, clock: Clock
) -> None:
    async with serving(url=database):
        ana, bob = by("ana"), by("bob")
        talk = ana.within(session="s")
        for text in ("hello", "when does the ferry leave", "at nine", "thanks"):
            await talk.put(text, scope="session", metadata={"n": len(text)})
        await ana.put("the ferry is blue", id="blue", ttl=60.0, links=[Link("nine")])
        found = await talk.search(
            "ferry", neighbours=Neighbours(), recency=Recency(), links=0.5, explain=True
        )
        texts = [hit.entry.text for hit in found.hits]
        assert {"when does the ferry leave", "at nine", "the ferry is blue"} <= set(texts)
        assert "**ferry**" in found.hits[0].snippet
        assert (await ana.update("blue", text="the ferry is red")).version == 2
        assert (await ana.history("blue")).earlier[0].entry.text == "the ferry is blue"
        assert [one.text async for one in ana.export(where=Eq("metadata.n", 7))] == ["at nine"]
        assert (await bob.search("ferry")).hits == []
        clock.move(60)
        with pytest.raises(NotFound):
            await ana.get("blue")
        progress = [one async for one in by("operator").reindex("hashing:32")]
        assert (progress[-1].current, progress[-1].done) == (True, 4)
        stats = await ana.stats()
        assert (stats.store, stats.dims, stats.namespaces[0].entries) == ("postgresql", 32, 4)
        assert await ana.delete(where=Eq("session", "s")) == 4


async def test_what_was_put_is_there_after_the_service_starts_anew(
    database: str, serving: Serving, by: As
) -> None:
    async with serving(url=database):
        await by("ana").put("the ferry is blue", id="blue")
    async with serving(url=database):
        assert [hit.entry.id for hit in (await by("ana").search("ferry")).hits] == ["blue"]
    async with serving(url=database, embedder="hashing:32"):
        # The vectors that are there decide, until somebody re-indexes.
        assert (await by("ana").stats()).embedder == "hashing:64@1"
        assert [hit.entry.id for hit in (await by("ana").search("blue")).hits] == ["blue"]
