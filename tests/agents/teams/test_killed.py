"""The agent that runs teams is killed whenever a member works: nothing is paid or done again."""

from collections import Counter
from pathlib import Path
from typing import Any

from pepperpy import Agent, Client
from pepperpy.stack.broker import Broker
from pepperpy.testing.opening import opened
from pepperpy_agents import teams
from pepperpy_agents.teams.steps import TOPIC
from pepperpy_bus.graphs.graph import TOPIC as GRAPHS
from pepperpy_bus.streams.consumers import resume_consumer, task_consumer
from pepperpy_bus.streams.provision import ensure_consumer
from pepperpy_schemas.subjects import stream_name
from tests.worker_processes import Start, WorkerProcess

STOCK = ("pepperpy_agents.graphs.orchestrator:agent", "pepperpy_agents.teams.moderator:agent")


async def impatient(client: Client) -> None:
    """Hands over what a killed worker held within a second."""
    for topic in (GRAPHS, TOPIC):
        for stream, config in (
            ("TASKS", task_consumer(client.prefix, topic, high=False)),
            ("RESUME", resume_consumer(client.prefix, topic)),
        ):
            config["ack_wait"] = 1_000_000_000
            await ensure_consumer(client.connection, stream_name(client.prefix, stream), config)


async def test_a_team_whose_worker_is_killed_goes_on_and_pays_nothing_twice(
    broker: Broker, prefix: str, tmp_path: Path, workers: Start
) -> None:
    agent, done = Agent("crew"), Counter[str]()
    orchestrators: list[WorkerProcess] = []

    def killing(topic: str) -> None:
        async def work(given: Any) -> Any:
            done[topic] += 1
            orchestrators[-1].kill()
            orchestrators.append(workers(broker.url, *STOCK, ready=False))
            if topic == "review":
                return {"accepted": done[topic] == 2, "feedback": "more"}
            return f"{topic} {done[topic]}"

        agent.task(topic, retries=0)(work)

    for topic in ("research", "write", "review"):
        killing(topic)
    lead = teams.manager("lead", ["research"])
    team = teams.sequential(
        "all",
        [
            teams.router("desk", ["research"]),
            teams.parallel("both", [lead]),
            teams.reflection("essay", "write", "review"),
        ],
    )
    async with opened(broker.url, prefix, tmp_path, agents=[agent]) as pepper:
        await impatient(pepper.client)
        orchestrators.append(workers(broker.url, *STOCK))
        pepper.model.replies({"agent": "research"})
        pepper.model.calls_tool("agent.research", input="otters").replies("Otters swim.")
        assert await pepper.run(team, "otters", wait="55s") == {
            "draft": "write 2",
            "feedback": "more",
            "accepted": True,
            "rounds": 2,
        }
        assert done == {"research": 2, "write": 2, "review": 2}
        assert len(pepper.model.requests) == 3
        assert len(orchestrators) == 7
