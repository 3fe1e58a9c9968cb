"""Much at once: the event loop goes on, and no statement's time is too short for it."""

import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.stores import values
from pepperpy_memory_svc.stores.postgres import Limits, PostgresStore, indexing
from pepperpy_memory_svc.stores.postgres.entries import Words
from pepperpy_memory_svc.stores.postgres.portions import TooMuch, in_portions, portions
from pepperpy_memory_svc.stores.rows import Lexemes, Row
from pepperpy_schemas.errors import BadPayload, Unavailable
from tests.memory_svc.stores.making import NOW, Filled, after, entry, filled

SLOW = """
CREATE FUNCTION {schema}.slow() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN OLD; END $$;
CREATE TRIGGER slow BEFORE DELETE ON {schema}.entry
    FOR EACH ROW EXECUTE FUNCTION {schema}.slow()"""


@pytest_asyncio.fixture
async def memory(postgres: str, schema: str) -> AsyncIterator[Filled]:
    async with PostgresStore(postgres, schema=schema) as store:
        yield await filled(store)


@pytest_asyncio.fixture
async def hasty(postgres: str, schema: str, memory: Filled) -> AsyncIterator[PostgresStore]:
    """The same store, whose statements have the time for some ten of 40 expired entries."""
    rows = [memory.row(entry(f"e{n}", expires=after(1)), None, ["word"]) for n in range(40)]
    await memory.store.put("ours", rows, now=NOW)
    connection = await asyncpg.connect(postgres)
    await connection.execute(SLOW.format(schema=schema))
    await connection.close()
    async with PostgresStore(postgres, schema=schema, limits=Limits(statement=0.5)) as store:
        yield store


async def test_more_is_deleted_than_one_statement_has_the_time_for(
    hasty: PostgresStore, memory: Filled
) -> None:
    assert await hasty.delete_where("ours", None, now=NOW) == 40
    assert await memory.store.scan("ours", now=NOW) == []
    assert (await memory.find(lexemes=["word"])).words == []


async def test_more_is_purged_than_one_statement_has_the_time_for(
    hasty: PostgresStore, memory: Filled
) -> None:
    await memory.put(entry("stays"))
    assert await hasty.purge(now=after(1)) == 40
    figures = await memory.store.figures(["ours"], now=after(1))
    assert (figures["ours"].entries, figures["ours"].expired) == (1, 0)


async def test_an_entry_that_takes_too_long_alone_stays_and_that_is_said(
    postgres: str, schema: str, memory: Filled, hasty: PostgresStore
) -> None:
    connection = await asyncpg.connect(postgres)
    slower = SLOW.partition(";\nCREATE TRIGGER")[0].replace("CREATE", "CREATE OR REPLACE")
    await connection.execute(slower.format(schema=schema).replace("0.05", "30"))
    await connection.close()
    with pytest.raises(Unavailable, match="took too long to remove 1 entries"):
        await hasty.delete("ours", ["e1", "e2"], now=NOW)
    assert len(await memory.store.scan("ours", now=NOW)) == 40


async def test_of_a_large_put_nothing_long_is_done_in_the_event_loop(
    memory: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[bool, int]] = []
    checked: list[bool] = []

    class Watched(Words):
        def __init__(self, ns: int, lexemes: Sequence[tuple[int, Lexemes]]) -> None:
            super().__init__(ns, lexemes)
            counted.append((_in_main_thread(), len(self.postings)))

    check = values.check_rows

    def watched(rows: Sequence[Row], namespace: str) -> None:
        checked.append(_in_main_thread())
        check(rows, namespace)

    monkeypatch.setattr(indexing, "Words", Watched)
    monkeypatch.setattr(values, "check_rows", watched)
    words = [f"w{n}" for n in range(5000)]
    many = [memory.row(entry(f"e{n}"), None, [*words, f"x{n}"]) for n in range(20)]
    await memory.store.put("ours", many, now=NOW)
    deep: dict[str, Any] = {"numbers": list(range(5000))}
    await memory.put(entry("deep", metadata=deep), None, words[:10])
    assert checked == [False, False]
    assert [main for main, _ in counted] == [False] * 7 + [True]
    assert max(postings for _, postings in counted) <= 20_000
    found = await memory.find(lexemes=["x7"])
    assert [each.id for each in found.words] == ["e7"]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


async def test_what_is_wrong_deep_in_a_large_value_is_named(memory: Filled) -> None:
    deep: dict[str, Any] = {"a": [{"b": [0] * 20_000 + [2**70]}]}
    with pytest.raises(BadPayload) as caught:
        await memory.put(entry("deep", metadata=deep))
    assert caught.value.context["path"] == "metadata.a[0].b[20000]"


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.integers(0, 50)), st.integers(1, 100))
def test_portions_are_all_in_their_order_and_none_is_too_large(
    weights: list[int], most: int
) -> None:
    found = list(portions(weights, lambda each: each, most))
    assert [one for portion in found for one in portion] == weights
    assert all(len(portion) == 1 or sum(portion) <= most for portion in found)


async def test_what_is_too_much_is_done_in_smaller_portions_once_each() -> None:
    tried: list[int] = []

    async def work(portion: Sequence[int]) -> Sequence[int]:
        tried.append(len(portion))
        if len(portion) > 3:
            raise TooMuch("too much")
        return portion

    assert await in_portions(range(20), lambda _: 1000, work) == list(range(20))
    assert tried == [20, 10, 5, *[2] * 10]
