"""A broker with too little storage says so, and does not speak of a full queue."""

from collections.abc import Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams.provision import create_missing
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_schemas.errors import BadConfig


async def test_a_broker_with_too_little_storage_is_named_with_the_stream_and_the_fix(
    broker_factory: Callable[..., Broker], prefix: str
) -> None:
    small = broker_factory(options={"max_file_store": 10_000_000})
    async with open_connection(ConnectionOptions(servers=(small.url,))) as connection:
        # Streams are made beside each other: any of the large ones may be the one that is refused.
        named = rf"stream {prefix.upper()}_[A-Z]+, which reserves \d+ bytes"
        with pytest.raises(BadConfig, match=named) as raised:
            await create_missing(connection, streams(prefix, Limits()))
    assert "max_file_store" in raised.value.hint
