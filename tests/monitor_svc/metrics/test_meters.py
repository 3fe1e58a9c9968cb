import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pepperpy import Agent, Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from pepperpy_monitor_svc.metrics.exposition import prometheus_text
from pepperpy_monitor_svc.metrics.names import METRICS
from pepperpy_monitor_svc.metrics.samples import Sample, samples
from pepperpy_monitor_svc.monitor import Monitor
from pepperpy_schemas.errors import PepperError
from tests.agents.conftest import Working
from tests.monitor_svc.metrics.conftest import Watching
from tests.monitor_svc.metrics.test_otlp import Receiver, metrics, receiver  # noqa: F401 - a fixture

Eventually = Callable[..., Awaitable[Any]]

agent = Agent("support", version="1.0.0")


@agent.task("triage", retries=0)
async def triage(text: str) -> str:
    if text == "bad":
        raise ValueError(text)
    return text.upper()


def values(monitor: Monitor, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {one.labels: one.value for one in samples(monitor) if one.name == name}


async def test_tasks_are_counted_from_the_moment_that_the_monitor_is_there(
    client: Client, working: Working, watching: Watching, eventually: Eventually
) -> None:
    async with working(agent):
        assert await client.run("triage", "before") == "BEFORE"
        async with watching() as monitor:
            assert values(monitor, "pepperpy_tasks_ended_total") == {}
            for _ in range(3):
                await client.run("triage", "now")
            with contextlib.suppress(PepperError):
                await client.run("triage", "bad")
            ended = {"completed": 3, "failed": 1}
            await eventually(
                lambda: (
                    {
                        dict(labels)["state"]: value
                        for labels, value in values(monitor, "pepperpy_tasks_ended_total").items()
                    }
                    == ended
                ),
                within=20,
            )
            topic = (("topic", "triage"),)
            assert values(monitor, "pepperpy_tasks_submitted_total") == {topic: 4}
            await eventually(
                lambda: values(monitor, "pepperpy_dead_letters_stored_total") == {topic: 1}
            )


async def test_the_text_says_the_same_as_the_samples(
    broker: Broker, client: Client, working: Working, watching: Watching, eventually: Eventually
) -> None:
    async with working(agent), watching(server_url=broker.monitor_url) as monitor:
        await client.run("triage", "now")
        await eventually(lambda: values(monitor, "pepperpy_topic_workers"), within=20)
        await eventually(lambda: values(monitor, "pepperpy_server_connections"), within=20)
        # The text is of this step of the loop, so nothing is taken in between; ages go on.
        taken = samples(monitor)
        text = await prometheus_text(monitor)
        lasting = [one for one in taken if not one.name.endswith(("_age_seconds", "_lag_seconds"))]
        parsed = {
            Sample(one.name, tuple(sorted((k, v) for k, v in one.labels.items() if v)), one.value)
            for family in text_string_to_metric_families(text.decode())
            for one in family.samples
        }
        assert set(lasting) <= parsed
        assert {(one.name, one.labels) for one in taken} == {
            (one.name, one.labels) for one in parsed
        }
        known = {metric.prometheus for metric in METRICS.values()}
        assert {family.name for family in text_string_to_metric_families(text.decode())} <= {
            name.removesuffix("_total") for name in known
        } | known


async def test_agents_streams_consumers_and_the_server_are_gauges(
    broker: Broker, client: Client, working: Working, watching: Watching, eventually: Eventually
) -> None:
    async with working(agent) as worker, watching(server_url=broker.monitor_url) as monitor:
        who = (("agent", "support"), ("agent_instance", worker.instance))
        await eventually(lambda: who in values(monitor, "pepperpy_agent_slots"), within=20)
        assert values(monitor, "pepperpy_agent_memory_resident_bytes")[who] > 1e6
        assert values(monitor, "pepperpy_agent_in_flight")[who] == 0
        up = (("agent", "support"), ("state", "up"))
        await eventually(lambda: values(monitor, "pepperpy_agent_instances").get(up) == 1)
        await eventually(lambda: values(monitor, "pepperpy_stream_messages"), within=20)
        upper = client.prefix.upper()
        consumer = (("consumer", "w_triage"), ("stream", f"{upper}_TASKS"))
        await eventually(lambda: consumer in values(monitor, "pepperpy_consumer_lag"), within=20)
        stream = (("stream", f"{upper}_TASKS"),)
        assert 0 <= values(monitor, "pepperpy_stream_utilization")[stream] < 1
        await eventually(lambda: values(monitor, "pepperpy_server_connections"), within=20)
        assert values(monitor, "pepperpy_jetstream_utilization")[(("storage", "file"),)] < 1
        assert values(monitor, "pepperpy_broker_up") == {(): 1}


async def test_a_receiver_of_otlp_gets_what_the_text_shows(
    client: Client,
    working: Working,
    watching: Watching,
    receiver: Receiver,  # noqa: F811 - the fixture
    eventually: Eventually,
) -> None:
    async with working(agent), watching(otlp_endpoint=receiver.url) as monitor:
        await client.run("triage", "now")
        await eventually(lambda: values(monitor, "pepperpy_tasks_ended_total"), within=20)
    sent = metrics(receiver.got.get_nowait())
    (point,) = sent["pepperpy.tasks.ended"].sum.data_points
    assert {one.key: one.value.string_value for one in point.attributes} == {
        "topic": "triage",
        "agent": "support",
        "state": "completed",
    }
    assert "pepperpy.agent.slots" in sent


async def test_a_broker_that_is_away_is_seen_and_seen_again(
    own_broker: Broker, prefix: str, eventually: Eventually
) -> None:
    async with (
        connect(own_broker.url, bus__prefix=prefix) as own,
        Monitor(own, own.settings, replica="m1") as monitor,
    ):
        await eventually(lambda: broker_is(monitor, 1), within=20)
        own_broker.kill()
        await eventually(lambda: broker_is(monitor, 0), within=20)
        (told,) = (one for one in monitor.fleet.components() if one.name == "broker")
        assert (told.status, told.reason) == ("down", "the monitor has no connection to it")
        own_broker.start_sync()
        await eventually(lambda: broker_is(monitor, 1), within=30)


def broker_is(monitor: Monitor, value: float) -> bool:
    component = values(monitor, "pepperpy_component_up").get((("component", "broker"),))
    return values(monitor, "pepperpy_broker_up") == {(): value} and component == value
