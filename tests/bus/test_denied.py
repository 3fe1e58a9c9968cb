import time
from collections.abc import AsyncIterator, Callable

import pytest

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.streams import consumers, topology
from pepperpy_bus.streams.provision import apply, compare, create_missing, ensure_consumer
from pepperpy_bus.trust.principals import ANONYMOUS, ROLES, inbox_prefix
from pepperpy_schemas.errors import PermissionDenied

DECLARED = topology.streams("pp", topology.Limits())


@pytest.fixture
async def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    """A broker with all roles and every stream."""
    broker = broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)
    async with open_connection(options(broker, "operator")) as operator:
        await create_missing(operator, DECLARED)
        assert await apply(operator, DECLARED) == []
    return broker


def options(broker: Broker, user: str) -> ConnectionOptions:
    if user == ANONYMOUS:
        return ConnectionOptions(servers=(broker.url,))
    return ConnectionOptions(
        servers=(broker.url,),
        user=user,
        password=broker.logins[user].password,
        inbox_prefix=inbox_prefix(user),
    )


@pytest.fixture
async def worker(guarded: Broker) -> AsyncIterator[Connection]:
    async with open_connection(options(guarded, "worker")) as connection:
        yield connection


@pytest.mark.parametrize(
    "subject",
    [
        "$JS.API.STREAM.PURGE.PP_TASKS",
        "$JS.API.STREAM.UPDATE.PP_TASKS",
        "$JS.API.STREAM.DELETE.PP_TASKS",
        "pp.svc.memory.search.producer",
        "pp.ctl.agent.echo.drain",
    ],
)
async def test_a_denied_request_fails_at_once_and_names_the_subject(
    worker: Connection, subject: str
) -> None:
    begin = time.monotonic()
    with pytest.raises(PermissionDenied) as denied:
        await worker.request(subject, b"{}", timeout=5)
    assert time.monotonic() - begin < 1
    assert str(denied.value) == f"worker may not publish to {subject}"
    assert denied.value.context["subject"] == subject


@pytest.mark.parametrize("subject", [">", "_INBOX.>", "_INBOX_producer.>", "pp.sched.>"])
async def test_a_denied_subscription_fails_at_once_and_names_the_subject(
    worker: Connection, subject: str
) -> None:
    begin = time.monotonic()
    with pytest.raises(PermissionDenied) as denied:
        await worker.subscribe(subject, lambda _: None, live=True)
    assert time.monotonic() - begin < 1
    assert str(denied.value) == f"worker may not subscribe to {subject}"
    assert denied.value.context["subject"] == subject


@pytest.mark.parametrize("user", [*ROLES, ANONYMOUS])
async def test_every_role_starts_on_a_provisioned_broker_without_being_denied(
    guarded: Broker, user: str
) -> None:
    async with open_connection(options(guarded, user)) as connection:
        assert await create_missing(connection, DECLARED) == []
        assert await compare(connection, DECLARED) == []


async def test_a_worker_makes_the_consumers_of_its_topics(worker: Connection) -> None:
    for high in (False, True):
        await ensure_consumer(worker, "PP_TASKS", consumers.task_consumer("pp", "echo", high=high))
