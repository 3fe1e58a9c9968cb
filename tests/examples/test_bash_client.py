from pathlib import Path

import pytest

BASH_CLIENT = Path(__file__).parents[2] / "examples/bash/client.sh"


@pytest.fixture
async def topic(lane) -> str:
    await lane.provision("shout")
    return "shout"


async def test_the_bash_client_is_refused_without_a_password(locked_lane):
    locked_lane.settings["PEPPERPY_NATS_URL"] = locked_lane.broker.url

    code, out, err = await locked_lane.run(BASH_CLIENT)

    assert (code, out) == (1, "")
    assert "Authorization Violation" in err


async def test_the_bash_client_gives_up_when_no_worker_answers_in_time(lane, topic):
    lane.settings["PEPPERPY_WAIT_SECONDS"] = "1"

    code, out, err = await lane.run(BASH_CLIENT, topic, "{}")

    assert (code, out) == (124, "")
    assert "no result of" in err


async def test_the_bash_client_says_when_no_stream_takes_the_task(lane):
    code, out, err = await lane.run(BASH_CLIENT, "nobody", "{}")

    assert (code, out) == (1, "")
    assert "no stream takes tasks of nobody" in err


async def test_the_bash_client_shows_why_the_stream_refused_the_task(lane, topic):
    config = (await lane.js.stream_info(lane.tasks)).config
    config.max_msgs = 1
    await lane.js.update_stream(config)
    await lane.submit("{}", topic=topic)

    code, out, err = await lane.run(BASH_CLIENT, topic, "{}")

    assert (code, out) == (1, "")
    assert "maximum messages exceeded" in err


async def test_the_bash_client_says_when_there_is_no_broker(lane, unused_tcp_port):
    lane.settings["PEPPERPY_NATS_URL"] = f"nats://127.0.0.1:{unused_tcp_port}"

    code, out, err = await lane.run(BASH_CLIENT)

    assert (code, out) == (3, "")
    assert f"no broker at 127.0.0.1:{unused_tcp_port}" in err


@pytest.mark.parametrize(
    ("argument", "settings"),
    [("two words", {}), ("a.b", {}), ("shout", {"PEPPERPY_NATS_URL": "http://example.org"})],
    ids=["space", "dot", "url"],
)
async def test_the_bash_client_refuses_what_cannot_travel(lane, argument, settings):
    lane.settings.update(settings)

    code, out, _ = await lane.run(BASH_CLIENT, argument)

    assert (code, out) == (2, "")
