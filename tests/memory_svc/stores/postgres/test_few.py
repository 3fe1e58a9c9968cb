"""How many entries are few, so that all of them are compared."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pepperpy_memory_svc.stores.postgres import PostgresStore, searching
from pepperpy_schemas.memory import Eq
from tests.memory_svc.stores.making import NOW, Filled, entry, filled


@pytest_asyncio.fixture
async def memory(postgres: str, schema: str) -> AsyncIterator[Filled]:
    async with PostgresStore(postgres, schema=schema) as store:
        yield await filled(store, dims=8)


@pytest.mark.parametrize(("few", "of_many", "exact"), [(50, 125, True), (50, 1, False)])
async def test_of_a_large_namespace_more_entries_are_few(
    memory: Filled, monkeypatch: pytest.MonkeyPatch, few: int, of_many: int, exact: bool
) -> None:
    monkeypatch.setattr(searching, "FEW", few)
    monkeypatch.setattr(searching, "_FEW_OF_MANY", of_many)
    compared: list[bool] = []
    nearest = searching._nearest

    def watched(plan: searching._Plan, bound: searching.Bound, few: str | None) -> str:
        compared.append(few is not None)
        return nearest(plan, bound, few)

    monkeypatch.setattr(searching, "_nearest", watched)
    chance = random.Random(7)
    rows = [
        memory.row(
            entry(f"e{n}", metadata={"tenth": n % 10}),
            [chance.gauss(0, 1) for _ in range(8)],
            ["word"],
        )
        for n in range(600)
    ]
    await memory.store.put("ours", rows, now=NOW)
    # 60 of 600: more than 50, and fewer than the square root of 125 × 600, which is 273.
    found = await memory.find([1.0] + [0.0] * 7, where=Eq("metadata.tenth", 4), limit=60)
    assert len(found.vector) == 60
    assert compared[0] is exact
