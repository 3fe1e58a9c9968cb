import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from pepperpy_bus.trust.principals import inbox_prefix
from pepperpy_schemas.catalog.tasks import RESULT
from pepperpy_schemas.messages import Result
from pepperpy_schemas.tokens import HIGH_LANE

BASH_CLIENT = Path(__file__).parents[2] / "examples/bash/client.sh"
TASKS = 200
AGENT = """\
from pepperpy import Agent

agent = Agent("shout", version="1.0.0")


@agent.task("shout")
async def shout(data: dict[str, str]) -> dict[str, str]:
    return {"text": data["text"].upper(), "by": "python"}
"""

Start = Callable[[str], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def topic(lane) -> str:
    await lane.provision("shout")
    return "shout"


@pytest.fixture
def start(lane, request, topic) -> Start:
    """Start a worker of a language on the topic."""

    async def started(language: str) -> asyncio.subprocess.Process:
        return await lane.start(*worker_command(request, language), topic, topic=topic)

    return started


@pytest.fixture
def python_worker(tmp_path) -> list[str | Path]:
    """The command of a Python worker of the topic."""
    (tmp_path / "shout.py").write_text(AGENT)
    return [sys.executable, "-m", "pepperpy", "worker", f"{tmp_path / 'shout.py'}:agent"]


def worker_command(request: pytest.FixtureRequest, language: str) -> list[str | Path]:
    if language == "node":
        return ["node", request.getfixturevalue("node_folder") / "worker.mjs"]
    return [request.getfixturevalue("go_programs") / "worker"]


def client_command(request: pytest.FixtureRequest, language: str) -> list[str | Path]:
    if language == "node":
        return ["node", request.getfixturevalue("node_folder") / "client.mjs"]
    return [request.getfixturevalue("go_programs") / "client"]


@pytest.fixture(params=["node", "go"])
def language(request) -> str:
    """Each language in turn, its toolchain made ready before the event loop is needed."""
    request.getfixturevalue({"node": "node_folder", "go": "go_programs"}[request.param])
    return request.param


def data_of(result: Result) -> dict[str, str]:
    assert result.ok, result
    return msgspec.json.decode(result.data, type=dict[str, str])


async def test_a_worker_answers_a_task_that_bash_published(lane, start, topic, language):
    await start(language)

    code, out, err = await lane.run(BASH_CLIENT, topic, '{"text":"grüße aus bash"}')

    assert (code, err) == (0, "")
    assert json.loads(out) == {"ok": True, "data": {"text": "GRÜSSE AUS BASH", "by": language}} or (
        # Go's upper case keeps the ß.
        json.loads(out) == {"ok": True, "data": {"text": "GRÜßE AUS BASH", "by": language}}
    )


async def test_the_node_client_gets_the_go_workers_result(lane, start, topic, node_folder):
    await start("go")

    code, out, err = await lane.run("node", node_folder / "client.mjs", topic, '{"text":"hi"}')

    assert (code, err) == (0, "")
    assert json.loads(out)["data"] == {"text": "HI", "by": "go"}


async def test_the_go_client_gets_the_node_workers_result(lane, start, topic, go_programs):
    await start("node")

    code, out, err = await lane.run(go_programs / "client", topic, '{"text":"hi"}')

    assert (code, err) == (0, "")
    assert json.loads(out)["data"] == {"text": "HI", "by": "node"}


async def test_node_go_and_python_share_a_topic_and_every_task_has_one_result(
    lane, start, topic, python_worker
):
    await start("node")
    await start("go")
    await lane.start(*python_worker, topic=topic)

    places = [await lane.submit(json.dumps({"text": f"t{n}"}), topic=topic) for n in range(TASKS)]
    results = [await lane.result(f"{lane.tasks}-{place}", within=30) for place in places]
    answers = [data_of(result) for result in results]

    assert [answer["text"] for answer in answers] == [f"T{n}" for n in range(TASKS)]
    shares = Counter(answer["by"] for answer in answers)
    assert set(shares) == {"node", "go", "python"}, shares
    # One message was ever accepted for each task: nothing was written twice or overwritten.
    kept = (await lane.js.stream_info(lane.results)).state
    assert (kept.messages, kept.last_seq) == (TASKS, TASKS)
    assert await lane.acknowledged(topic) == TASKS


@pytest.mark.parametrize(
    ("task_id", "headers", "expected"),
    [
        ("", None, "{stream}-1"),
        ("mine", None, "mine"),
        ("", {"Pp-Id": "from-header"}, "from-header"),
        ("", {"pp-id": "any-case"}, "any-case"),
        ("mine", {"Pp-Id": "from-header"}, "from-header"),
        ("", {"Pp-Id": "no.subject.>"}, "{stream}-1"),
    ],
    ids=["bare", "subject", "header", "lower-case", "both", "invalid"],
)
async def test_the_id_of_a_task_is_where_the_contract_says(
    lane, start, topic, language, task_id, headers, expected
):
    await start(language)

    await lane.submit('{"text":"hi"}', topic=topic, task_id=task_id, headers=headers)

    result = await lane.result(expected.format(stream=lane.tasks))
    assert data_of(result)["text"] == "HI"


async def test_an_error_of_the_handler_becomes_a_failed_result(lane, start, topic, language):
    await start(language)

    code, out, _ = await lane.run(BASH_CLIENT, topic, '{"text":7}')

    assert code == 1
    result = json.loads(out)
    assert set(result) == {"ok", "error"}
    error = result["error"]
    assert error["code"] == "handler_error"
    assert error["message"]
    assert await lane.acknowledged(topic) == 1


@pytest.mark.parametrize("body", ["{not json", "", "\x00\xff"], ids=["broken", "empty", "binary"])
async def test_a_body_that_is_not_json_fails_and_the_worker_lives(
    lane, start, topic, language, body
):
    worker = await start(language)

    await lane.submit(body, topic=topic, task_id="bad")
    await lane.submit('{"text":"still here"}', topic=topic, task_id="good")

    failed = await lane.result("bad")
    assert not failed.ok
    assert failed.error is not None
    assert failed.error.code == "handler_error"
    assert data_of(await lane.result("good"))["text"] == "STILL HERE"
    assert worker.returncode is None


async def test_a_result_that_is_already_there_stays_and_the_task_is_done(
    lane, start, topic, language
):
    canceled = b'{"ok":false,"error":{"code":"canceled","category":"control"}}'
    await lane.js.publish(RESULT.of(lane.prefix, id="taken"), canceled)
    await lane.submit('{"text":"too late"}', topic=topic, task_id="taken")

    await start(language)

    assert await lane.acknowledged(topic) == 1
    assert (await lane.result("taken")).error.code == "canceled"


async def test_a_task_whose_result_the_bus_does_not_take_comes_again_after_a_while(
    lane, start, topic, language
):
    signs = await lane.nc.subscribe(f"$JS.ACK.{lane.tasks}.w_{topic}.>")
    await lane.js.delete_stream(lane.results)
    worker = await start(language)

    await lane.submit('{"text":"hi"}', topic=topic)

    word, delay = (await signs.next_msg(timeout=15)).data.split(maxsplit=1)
    assert (word, json.loads(delay)) == (b"-NAK", {"delay": 5_000_000_000})
    assert worker.returncode is None


async def test_a_stopped_worker_finishes_its_tasks_and_takes_no_more(lane, start, topic, language):
    worker = await start(language)
    await lane.submit('{"text":"long","seconds":5}', topic=topic, task_id="running")
    await lane.in_progress(topic, 1)

    worker.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(worker.wait(), 15) == 0
    assert data_of(await lane.result("running", within=5))["text"] == "LONG"
    await lane.submit('{"text":"later"}', topic=topic, task_id="left")
    info = await lane.js.consumer_info(lane.tasks, f"w_{topic}")
    assert (info.num_pending, info.num_ack_pending) == (1, 0)


async def test_the_task_of_a_killed_worker_is_finished_in_another_language(lane, start, topic):
    await lane.redeliver_after(topic, 1.5)
    killed = await start("node")
    await lane.submit('{"text":"inherited","seconds":1}', topic=topic, task_id="inherited")
    await lane.in_progress(topic, 1)

    killed.kill()
    await killed.wait()
    await start("go")

    answer = data_of(await lane.result("inherited"))
    assert answer == {"text": "INHERITED", "by": "go"}
    assert await lane.acknowledged(topic) == 2


async def test_a_worker_of_the_high_priority_lane_is_started_with_the_lane_as_its_topic(
    lane, topic, language, request
):
    await lane.provision("shout", high=True)
    lane_of_topic = f"{topic}{HIGH_LANE}"
    await lane.start(*worker_command(request, language), lane_of_topic, topic=lane_of_topic)

    await lane.submit('{"text":"now"}', topic=lane_of_topic, task_id="urgent")

    assert data_of(await lane.result("urgent"))["text"] == "NOW"


@pytest.mark.slow
async def test_a_long_task_is_kept_by_signs_of_life(lane, start, topic):
    """Both languages at once: the wait is the contract's ten seconds."""
    signs = await lane.nc.subscribe(f"$JS.ACK.{lane.tasks}.w_{topic}.>")
    pulses: Counter[str] = Counter()
    await start("node")
    await start("go")
    for n in range(2):
        await lane.submit('{"text":"long","seconds":11}', topic=topic, task_id=f"long{n}")

    ended = 0
    async with asyncio.timeout(30):
        while ended < 2:
            sign = await signs.next_msg(timeout=30)
            task = sign.subject.split(".")[5]
            pulses[task] += sign.data == b"+WPI"
            ended += sign.data == b"+ACK"

    assert list(pulses.values()) == [1, 1]
    shares = Counter([data_of(await lane.result(f"long{n}"))["by"] for n in range(2)])
    assert shares == {"node": 1, "go": 1}


@pytest.mark.slow
async def test_workers_go_on_when_the_broker_was_killed(own_lane, language, request):
    lane = own_lane
    await lane.provision("shout")
    worker = await lane.start(*worker_command(request, language), "shout", topic="shout")
    await lane.submit('{"text":"before"}', topic="shout", task_id="before")
    await lane.result("before")

    lane.broker.kill()
    await lane.broker.start()
    await lane.connected()
    await lane.submit('{"text":"after"}', topic="shout", task_id="after")

    assert data_of(await lane.result("after", within=15))["text"] == "AFTER"
    assert worker.returncode is None


@pytest.mark.slow
async def test_a_task_that_runs_while_the_broker_restarts_has_its_result(
    own_lane, language, request
):
    lane = own_lane
    await lane.provision("shout")
    await lane.start(*worker_command(request, language), "shout", topic="shout")
    await lane.submit('{"text":"through","seconds":1}', topic="shout", task_id="through")
    await lane.in_progress("shout", 1)

    lane.broker.kill()
    await lane.broker.start()

    await lane.connected()
    # Sooner than the 30 s after which it would go to another worker.
    assert data_of(await lane.result("through", within=20))["text"] == "THROUGH"


@pytest.mark.slow
async def test_a_worker_stops_while_there_is_no_broker(own_lane, language, request):
    lane = own_lane
    await lane.provision("shout")
    worker = await lane.start(*worker_command(request, language), "shout", topic="shout")
    lane.broker.kill()

    worker.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(worker.wait(), 15) == 0


async def test_user_and_password_of_the_url_are_used(locked_lane, language, request):
    lane = locked_lane
    await lane.provision("shout")
    await lane.start(*worker_command(request, language), "shout", topic="shout")

    for command in (client_command(request, language), [BASH_CLIENT]):
        code, out, err = await lane.run(*command, "shout", '{"text":"let me in"}')
        assert (code, err) == (0, "")
        assert json.loads(out)["data"] == {"text": "LET ME IN", "by": language}


async def test_the_worker_role_is_enough_to_work_and_no_login_to_submit(
    guarded_lane, language, request
):
    lane = guarded_lane
    await lane.provision("shout")
    lane.settings["PEPPERPY_NATS_URL"] = lane.broker.url
    worker = lane.broker.logins["worker"]
    lane.settings["PEPPERPY_NATS_USER"] = worker.user
    lane.settings["PEPPERPY_NATS_PASSWORD"] = worker.password
    lane.settings["PEPPERPY_NATS_INBOX_PREFIX"] = inbox_prefix(worker.user)
    await lane.start(*worker_command(request, language), "shout", topic="shout")
    lane.settings.clear()
    lane.settings["PEPPERPY_NATS_URL"] = lane.broker.url

    for client in ([BASH_CLIENT], client_command(request, language)):
        code, out, err = await lane.run(*client, "shout", '{"text":"let me in"}')
        assert (code, err) == (0, "")
        assert json.loads(out)["data"] == {"text": "LET ME IN", "by": language}
    assert await lane.acknowledged("shout") == 2


async def test_a_node_worker_without_its_consumer_says_who_makes_it(lane, topic, node_folder):
    code, out, err = await lane.run("node", node_folder / "worker.mjs", "unknown")
    assert (code, out) == (1, "")
    assert err == (
        "cannot pull w_unknown: consumer not found; is it there? The operator makes it:\n"
        "  pepperpy bus apply --topic unknown\n"
    )
