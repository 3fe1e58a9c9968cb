from collections.abc import Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.figures import account, stream_figures, subjects_of, who_am_i
from pepperpy_bus.streams.follow import follow
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.streams.provision import create_missing, ensure_consumer
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_bus.trust.roles import permissions
from pepperpy_schemas.catalog.events import EVENT
from pepperpy_schemas.catalog.tasks import TASK
from pepperpy_schemas.errors import PermissionDenied
from pepperpy_schemas.subjects import stream_name


def at(broker: Broker, user: str = "") -> ConnectionOptions:
    login = broker.logins[user] if user else None
    return ConnectionOptions(
        servers=(broker.url,),
        user=user,
        password=login.password if login else "",
        inbox_prefix=f"_INBOX_{user}" if user else "_INBOX",
    )


async def fill(connection: Connection, prefix: str) -> str:
    await create_missing(connection, streams(prefix, Limits(max_tasks=10)))
    tasks = stream_name(prefix, "TASKS")
    await ensure_consumer(connection, tasks, task_consumer(prefix, "a"))
    for topic, task_id in (("a", "1"), ("a", "2"), ("b", "3")):
        await store(connection, TASK.of(prefix, topic=topic, id=task_id), b"{}")
    return tasks


async def test_a_stream_tells_its_messages_limits_and_how_far_its_consumers_are(
    broker: Broker, prefix: str
) -> None:
    async with open_connection(at(broker)) as connection:
        tasks = await fill(connection, prefix)
        found = await stream_figures(connection, tasks)
        assert found is not None
        assert (found.messages, found.max_messages, found.lag) == (3, 10, 2)
        assert found.bytes > 0
        assert found.now is not None
        assert [(one.name, one.pending, one.pulls) for one in found.consumers or ()] == [
            ("w_a", 2, 0)
        ]
        by_subject = await subjects_of(connection, tasks)
        assert by_subject[TASK.of(prefix, topic="b", id="3")] == 1
        assert len(by_subject) == 3


async def test_a_follower_is_nobody_who_is_behind(broker: Broker, prefix: str) -> None:
    async with open_connection(at(broker)) as connection:
        await fill(connection, prefix)
        events = stream_name(prefix, "EVENTS")
        async with follow(connection, events, [EVENT.pattern(prefix)]):
            found = await stream_figures(connection, events)
            assert found is not None
            assert (found.consumers, found.lag) == ((), 0)


async def test_a_stream_that_is_not_there_has_no_figures(broker: Broker, prefix: str) -> None:
    async with open_connection(at(broker)) as connection:
        assert await stream_figures(connection, stream_name(prefix, "TASKS")) is None


async def test_the_account_tells_its_usage_and_the_broker_whom_it_sees(
    broker: Broker, prefix: str
) -> None:
    async with open_connection(at(broker)) as connection:
        tasks = await fill(connection, prefix)
        found = await account(connection)
        assert found.streams >= 12
        assert (found.storage.limit, found.memory.limit) == (-1, -1)
        assert found.storage.used >= (await stream_figures(connection, tasks)).bytes  # type: ignore[union-attr]  # it is there
        assert found.api_level >= 4
        who = await who_am_i(connection)
        assert (who.user, who.account) == ("", "$G")


async def test_a_role_sees_the_consumers_it_may_and_does_not_learn_more(
    broker_factory: Callable[..., Broker],
) -> None:
    broker = broker_factory(
        logins=(
            Login(user="operator", password="o", permissions=permissions("operator")),
            Login(user="producer", password="p", permissions=permissions("producer")),
        )
    )
    async with open_connection(at(broker, "operator")) as connection:
        await fill(connection, "pp")
        events = stream_name("pp", "EVENTS")
        await ensure_consumer(connection, events, {"name": "l", "durable_name": "l"})
    async with open_connection(at(broker, "producer")) as connection:
        tasks = await stream_figures(connection, "PP_TASKS")
        assert tasks is not None
        assert tasks.lag == 2
        hidden = await stream_figures(connection, "PP_EVENTS")
        assert hidden is not None
        assert (hidden.consumers, hidden.lag) == (None, None)
        with pytest.raises(PermissionDenied):
            await who_am_i(connection)
