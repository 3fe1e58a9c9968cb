"""Two namespaces see nothing of each other, by any operation."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy_memory_svc.stores.rows import Filling, Turn
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import AnyOf, Entry, Eq, Exists, Not
from tests.memory_svc.stores.making import NOW, Filled, after, entry

VECTOR = [1.0, 0, 0, 0]
EVERYTHING = AnyOf([Exists("id"), Not(Exists("id")), Eq("namespace", "theirs")])


async def theirs(memory: Filled) -> dict[str, Entry]:
    return await memory.store.get("theirs", ["a", "b"], now=NOW)


async def _put(memory: Filled, ours: str) -> Any:
    await memory.put(entry("a", namespace=ours, text="ours", session="s"), [0, 1, 0, 0], ["other"])
    return await memory.store.delete(ours, ["a"], now=NOW)


async def _fill(memory: Filled, ours: str) -> Any:
    mine = Filling(namespace=ours, id="a", version=1, vector=[0, 0, 1, 0])
    assert await memory.store.fill(memory.embedding, [mine]) == 0


OPERATIONS: dict[str, Callable[[Filled, str], Awaitable[Any]]] = {
    "put": _put,
    "fill": _fill,
    "get": lambda m, n: m.store.get(n, ["a", "b"], now=NOW),
    "delete": lambda m, n: m.store.delete(n, ["a", "b"], now=NOW),
    "delete_where": lambda m, n: m.store.delete_where(n, EVERYTHING, now=NOW),
    "delete all": lambda m, n: m.store.delete_where(n, None, now=NOW),
    "touch": lambda m, n: m.store.touch(n, ["a", "b"], now=after(1)),
    "scan": lambda m, n: m.store.scan(n, now=NOW, where=EVERYTHING),
    "neighbours": lambda m, n: m.store.neighbours(
        n, [Turn("s", 1)], before=5, after=5, now=NOW, where=EVERYTHING
    ),
    "history": lambda m, n: m.store.history(n, "a", now=NOW),
    "candidates": lambda m, n: m.find(VECTOR, ["word"], namespace=n),
    "candidates where": lambda m, n: m.find(VECTOR, ["word"], namespace=n, where=EVERYTHING),
    "vectors": lambda m, n: m.store.vectors(n, ["a", "b"], embedding=m.embedding, now=NOW),
    "figures": lambda m, n: m.store.figures([n], now=NOW),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_sees_nothing_of_another_namespace(
    memory: Filled, operation: str
) -> None:
    for id_ in "aab":
        one = entry(id_, namespace="theirs", session="s", expires=after(50), ttl=50)
        await memory.put(one, VECTOR, ["word"])
    before = await theirs(memory), await memory.find(VECTOR, ["word"], namespace="theirs")
    for ours in ("ours", "*", "theirs' OR '1'='1"):
        found = await OPERATIONS[operation](memory, ours)
        assert "theirs" not in str(found).replace(ours, "")
        assert "text of" not in str(found)
        after_it = await theirs(memory), await memory.find(VECTOR, ["word"], namespace="theirs")
        assert after_it == before
    assert len(await memory.store.history("theirs", "a", now=NOW)) == 1


async def test_words_of_another_namespace_do_not_count(memory: Filled) -> None:
    await memory.put(entry("a"), VECTOR, ["word", "rare"])
    alone = await memory.find(lexemes=["rare"])
    for number in range(20):
        one = entry(f"t{number}", namespace="theirs")
        await memory.put(one, VECTOR, ["rare"] * 10)
    assert await memory.find(lexemes=["rare"]) == alone


@pytest.mark.parametrize("name", ["", "a" * 257, "a\x00b", "\udcff"])
async def test_what_is_no_namespace_is_refused(memory: Filled, name: str) -> None:
    # What is filled was read from the store, and is there or not.
    for operation in set(OPERATIONS) - {"fill"}:
        with pytest.raises(BadPayload, match="namespace"):
            await OPERATIONS[operation](memory, name)


async def test_an_entry_of_another_namespace_cannot_be_put(memory: Filled) -> None:
    with pytest.raises(BadPayload, match="namespace"):
        await memory.store.put("ours", [memory.row(entry("a", namespace="theirs"))], now=NOW)
    assert await theirs(memory) == {}
