import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from pepperpy import Client
from pepperpy.stack.broker import Broker
from pepperpy_bus.creations import Creations, creations
from tests.agents.conftest import Seen, wait_until
from tests.worker_processes import Start

APP = """
from pepperpy import Agent

agent = Agent("{name}", version="{version}")

@agent.task("{name}")
async def handle(_: None) -> str:
    return "{version}"
"""


async def test_created_agents_are_told_and_counted_with_their_versions(
    client: Client, broker: Broker, workers: Start, tmp_path: Path, seen: Seen
) -> None:
    (tmp_path / "one.py").write_text(APP.format(name="one", version="1.0.0"))
    (tmp_path / "two.py").write_text(APP.format(name="two", version="2.0.0"))
    for _ in range(2):
        workers(broker.url, "one.py:agent", "two.py:agent")

    async def all_told() -> list[Creations]:
        found = await creations(client.connection, client.prefix)
        return found if sum(one.created for one in found) == 4 else []

    told: list[Creations] = await wait_until(all_told, within=20)
    assert [(one.agent, one.created, one.failed) for one in told] == [
        ("one 1.0.0", 2, 0),
        ("two 2.0.0", 2, 0),
    ]
    assert all(one.mean_ms for one in told)

    async def events() -> list[Any]:
        found = await seen.events("agent.created.one.*")
        return found if len(found) == 2 else []

    for one in await wait_until(events):
        assert one.event.data["version"] == "1.0.0"
        assert one.event.data["reference"] == "one.py:agent"
        assert one.event.data["duration_ms"] > 0


async def test_agents_that_could_not_be_made_are_told_and_counted(
    client: Client, broker: Broker, workers: Start, tmp_path: Path, seen: Seen
) -> None:
    (tmp_path / "bad.py").write_text("import nowhere_at_all\n")
    failed = workers(broker.url, "bad.py:agent", ready=False)
    assert await asyncio.to_thread(failed.ended) == 1
    assert "it needs nowhere_at_all" in failed.log
    command = [sys.executable, "-m", "pepperpy", "--nats", broker.url, "--prefix", client.prefix]
    shown = await asyncio.to_thread(
        subprocess.run, [*command, "agents", "made"], capture_output=True, text=True, check=True
    )
    head, row = shown.stdout.splitlines()
    assert head.split() == ["AGENT", "CREATED", "FAILED", "MEAN", "MS"]
    assert row.split() == ["bad.py:agent", "0", "1", "-"]
    counted = await creations(client.connection, client.prefix)
    assert counted == [Creations("bad.py:agent", 0, 1, None)]
    (event,) = await seen.events("agent.create_failed.*.*")
    assert event.scope == "bad_py_agent"
    assert event.event.data["code"] == "bad_config"


YAML = """
name: {name}
version: 1.0.0
topics: [ask]
model: default
instructions: templates/asked.md
"""


async def test_a_changed_declaration_or_template_restarts_the_worker(
    client: Client, broker: Broker, workers: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    template, declared = folder / "asked.md", tmp_path / "asked.yaml"
    template.write_text("Be brief.")
    declared.write_text(YAML.format(name="first"))
    pool = workers(broker.url, "asked.yaml", "--reload")
    await asyncio.to_thread(pool.wait_for, "worker.ready")

    async def restarts(file: Path, *texts: str) -> None:
        before = pool.log.count("worker.ready")
        for text in texts:  # the watcher may not be up at the first
            file.write_text(text)
            with contextlib.suppress(TimeoutError):
                await wait_until(lambda: pool.log.count("worker.ready") > before, within=6)
                return
        raise AssertionError(f"{file} restarted nothing:\n{pool.log}")

    await restarts(template, *(f"Be brief: {n}." for n in range(3)))
    await restarts(declared, YAML.format(name="second"))

    async def up() -> bool:
        found = await client.registry.instances()
        return [one.agent for one in found] == ["second"]

    await wait_until(up, within=20)
    declared.write_text("name: [")
    await asyncio.to_thread(pool.wait_for, "pool.process_died")
    declared.write_text(YAML.format(name="third"))

    async def mended() -> bool:
        found = await client.registry.instances()
        return [one.agent for one in found] == ["third"]

    await wait_until(mended, within=20)
