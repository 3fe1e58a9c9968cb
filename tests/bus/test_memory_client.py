"""Remembering over the bus from scripts, and when nobody remembers anything."""

from collections.abc import Iterator

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.loop_thread import LoopThread
from pepperpy_bus.memory import Memory
from pepperpy_bus.sync import SyncClient, connect_sync
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.memory import NewEntry
from tests.memory_svc.memory_service import remembering


@pytest.fixture
def bus(broker: Broker, prefix: str) -> Iterator[SyncClient]:
    with (
        LoopThread(remembering(broker.url, prefix), name="memory"),
        connect_sync(broker.url, bus__prefix=prefix) as bus,
    ):
        yield bus


def test_a_script_remembers_and_finds_without_await(bus: SyncClient) -> None:
    entry = bus.memory.put("The parcel is upstairs.")
    assert bus.memory.get(entry.id) == entry
    assert [hit.entry for hit in bus.memory.search("parcel").hits] == [entry]
    assert bus.memory.update(entry.id, importance=1.0).version == 2
    assert len(bus.memory.history(entry.id).earlier) == 1
    bus.memory.put_many([NewEntry(id="b", text="b")])
    assert bus.memory.link(entry.id, "b").links[0].to == "b"
    assert bus.memory.similar("b").hits[0].entry.id == entry.id
    assert [one.id for one in bus.memory.get_many(["b", "gone"])] == ["b"]
    entries = list(bus.memory.export())
    assert bus.memory.delete(entry.id, "b") == 2
    assert bus.memory.import_(entries).imported == 2
    assert bus.memory.stats().namespaces[0].entries == 2
    assert bus.memory.within(session="s").put("c", scope="session").session == "s"


async def test_nobody_who_remembers_is_said_with_the_cure(
    connection: Connection, prefix: str
) -> None:
    memory = Memory(connection, prefix, "ana")
    with pytest.raises(Unavailable, match="nobody remembers anything here") as away:
        await memory.search("parcel", timeout=0.2)
    assert "pepperpy memory run" in away.value.hint
