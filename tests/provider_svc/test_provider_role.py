"""What the broker allows the provider service is what it needs to keep limits and money."""

from collections.abc import Callable

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.config.values import Secret
from pepperpy_bus.counters import Counters
from pepperpy_bus.link.connection import Connection, open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.state.batches import BatchedCells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.streams.provision import create_missing
from pepperpy_bus.streams.topology import Limits, streams
from pepperpy_provider_svc.cache.answers import Answers
from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_provider_svc.declared.models import Tenant
from pepperpy_provider_svc.limits.rates import Rates
from pepperpy_provider_svc.limits.tenants import Tenants
from pepperpy_provider_svc.money.counters import UsageCounters
from pepperpy_schemas.chat import ChatMessage, ChatReply, Usage
from pepperpy_schemas.provider import Spend


def options_of(broker: Broker, role: str) -> ConnectionOptions:
    return ConnectionOptions(servers=(broker.url_for(role),), inbox_prefix=f"_INBOX_{role}")


async def limits_and_money(link: Connection) -> None:
    key = HeldKey(provider="openai", name="main", secret=Secret("s"), requests_per_minute=60)
    clock = ServerClock(link, "pp")
    async with BatchedCells(link, "pp", bucket="provider") as cells:
        rates = Rates(cells, clock)
        await rates.take(key, 10)
        assert rates.unchecked == 0
        assert len(await rates.limits(key)) == 1
        account = Tenants({"a": Tenant(tokens_per_day=100)}, cells, clock).of("a")
        async with account.spend(None, 10) as spending:
            spending.settle(None, 7)
        assert [one.used for one in await account.limits()] == [7]


async def answers_and_counters(link: Connection) -> None:
    answers = Answers(link, "pp")
    reply = ChatReply(ChatMessage("assistant", "hello"), "stop", Usage(1, 1), "m/x")
    await answers.put("a", "d" * 64, reply, ttl=60)
    assert await answers.get("a", "d" * 64) is not None
    async with UsageCounters(link, "pp") as usage:
        usage.add("a", "m/x", Usage(1), None)
    assert Spend("tenant a", 1, Usage(1)) in await usage.spend()
    assert await Counters(link, "pp").read("provider-input", "tenant a") == 1
    assert not await Counters(link, "pp").has("provider-input", "tenant a", "none")


async def test_the_role_of_the_provider_service_is_enough(
    broker_factory: Callable[..., Broker],
) -> None:
    broker = broker_factory(logins=role_logins())
    async with open_connection(options_of(broker, "operator")) as operator:
        await create_missing(operator, streams("pp", Limits()))
    async with open_connection(options_of(broker, "provider")) as link:
        await limits_and_money(link)
        await answers_and_counters(link)
