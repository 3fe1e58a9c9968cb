"""A client in another language asks a model: a real service with a provider that has a script."""

import asyncio
from pathlib import Path

from tests.examples.conftest import Lane
from tests.provider_svc.gateway.conftest import Serving, serving  # noqa: F401 - a fixture

Ask = tuple[int, str, str]


async def ask(lane: Lane, folder: Path, *arguments: str) -> Ask:
    return await lane.run("node", folder / "ask.mjs", *arguments)


async def test_node_prints_a_models_answer_as_it_comes(
    lane: Lane,
    node_folder: Path,
    serving: Serving,  # noqa: F811 - the fixture
) -> None:
    answers = "- chunks: [{text: It rains}, {text: ' in Lisbon.', after: 0.2}]\n"
    async with serving(answers, keepalive=0.05):
        code, out, err = await ask(lane, node_folder, "What is the weather like?")
    assert (code, out) == (0, "It rains in Lisbon.\n")
    assert err.startswith("script/any, ")


async def test_node_takes_no_broken_answer_for_a_whole_one(
    lane: Lane,
    node_folder: Path,
    serving: Serving,  # noqa: F811 - the fixture
) -> None:
    answers = "- text: It rains\n  error: {code: stream_broken, message: the script says so}\n"
    async with serving(answers):
        code, out, err = await ask(lane, node_folder)
    assert code == 1
    assert out.startswith("It rains")
    assert err


async def test_node_is_told_what_is_wrong(
    lane: Lane,
    node_folder: Path,
    serving: Serving,  # noqa: F811 - the fixture
) -> None:
    code, out, err = await ask(lane, node_folder)
    assert (code, out, err) == (1, "\n", "nobody serves models\n")
    async with serving():
        code, out, err = await ask(lane, node_folder, "Hello.", "no-such-model")
    assert (code, out) == (1, "\n")
    assert "there is no model 'no-such-model'" in err


async def test_a_node_client_that_dies_stops_the_model(
    lane: Lane,
    node_folder: Path,
    serving: Serving,  # noqa: F811 - the fixture
) -> None:
    drip = ", ".join("{text: x, after: 0.1}" for _ in range(600))
    async with serving(f"- chunks: [{drip}]\n", keepalive=0.1) as offer:
        asking = await asyncio.create_subprocess_exec(
            *("node", str(node_folder / "ask.mjs")),
            env=lane.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        lane.processes.append(asking)
        assert asking.stdout is not None
        assert await asyncio.wait_for(asking.stdout.read(1), 20) == b"x"
        asking.kill()
        async with asyncio.timeout(10):
            while any(one.running for one in offer.parts.router.status(["script/any"])):
                await asyncio.sleep(0.02)
