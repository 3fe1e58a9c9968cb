"""The fixture `pepper` in suites of tests as users write them."""

import asyncio

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import api
from tests.testing.conftest import Suite

PASSING = """
import asyncio
import os
import subprocess
import sys

import pytest
from pepperpy import Agent, Context, LLMAgent, PepperError, tool
from pepperpy_schemas.chat import ToolSpec
from pepperpy_schemas.errors import RequestRefused

from support import Reply, Ticket, agent

pytestmark = pytest.mark.pepper("support:agent")


@tool
def double(n: int) -> int:
    "Doubles a number."
    return 2 * n


maths = LLMAgent("maths", "Calculate.", tools=[double])


async def test_a_task_is_run_with_a_model_that_says_what_the_test_wants(pepper):
    pepper.model.replies("We are on it.")
    result = await pepper.run("triage", Ticket("late", "c1"))
    assert result == Reply("We are on it.")
    pepper.assert_events("task.started", "llm.completed", "task.completed")
    pepper.assert_events("task.*", "llm.*", "task.*", exact=True)
    assert pepper.model.requests[0].messages[0].text == "late"
    assert pepper.model.left == 0


async def test_every_test_has_a_bus_of_its_own(pepper):
    assert pepper.events == []
    assert pepper.model.requests == []


async def test_what_fails_is_raised(pepper):
    pepper.model.replies(RequestRefused("no such parameter"))
    with pytest.raises(PepperError, match="no such parameter"):
        await pepper.run("triage", Ticket("late", "c1"))
    with pytest.raises(PepperError, match="customer"):
        await pepper.run("triage", {"text": "late"})


async def test_a_question_is_answered(pepper):
    asked = await pepper.client.submit("confirm", "delete")
    question = await pepper.answer("yes")
    assert question.wait.text == "Really delete?"
    assert await pepper.result(asked, topic="confirm") == "yes"
    with pytest.raises(AssertionError, match="nobody asks"):
        await pepper.answer("yes", within="50ms")


async def test_a_deadline_of_days_is_over_at_once(pepper):
    asked = await pepper.client.submit("confirm", "delete")
    await pepper.wait_for_events("task.input_required", task=asked)
    await pepper.advance("47h")
    assert len(await pepper.client.questions()) == 1
    await pepper.advance("1h1s")
    assert await pepper.result(asked) == "no"


async def test_a_nap_of_days_is_over_at_once(pepper):
    slept = await pepper.client.submit("nap", 2)
    await pepper.wait_for_events("task.suspended", task=slept)
    await pepper.advance("1d")
    await pepper.wait_for_events("task.suspended", "task.started", "task.suspended", task=slept)
    await pepper.advance("1d")
    assert await pepper.result(slept) == "after 2 days"


async def test_schedules_are_fired_at_once(pepper):
    later = await pepper.client.submit("nap", 0, delay="3d")
    await pepper.client.submit("nap", 0, id="often", every="1h")
    await pepper.client.submit("nap", 0, id="nightly", cron="0 30 7 * * *")
    assert await pepper.advance("1m") == []
    assert len(await pepper.advance("2h")) in (2, 3)  # with half past seven
    began = await pepper.advance("3d")
    assert later in began
    assert len(began) in (76, 77)
    assert {await pepper.result(one) for one in began} == {"after 0 days"}


async def test_agents_are_started_by_the_test(pepper):
    other = Agent("other")

    @other.task("twice")
    async def twice(n: int, ctx: Context) -> int:
        return 2 * await ctx.run("once", n)

    @other.task("once")
    async def once(n: int) -> int:
        return n

    worker = await pepper.worker(other)
    assert worker.ready
    assert await pepper.run("twice", 21) == 42


async def test_tools_are_called_by_the_name_that_the_request_has(pepper):
    pepper.model.calls_tool("files.read", path="a").calls_tools(("clock", "{broken")).replies("Ok.")
    tools = [ToolSpec("files_read"), ToolSpec("clock")]
    first = await pepper.client.llm.chat("Read a.", tools=tools)
    second = await pepper.client.llm.chat("What time?", tools=tools)
    last = await pepper.client.llm.chat("And?")
    (call,), (broken,) = first.tool_calls, second.tool_calls
    assert (call.name, call.arguments) == ("files_read", '{"path":"a"}')
    assert (broken.name, broken.arguments) == ("clock", "{broken")
    assert call.id != broken.id
    assert last.text == "Ok."


@pytest.mark.pepper(maths)
async def test_an_agent_that_thinks_is_led_through_its_tools(pepper):
    pepper.model.calls_tool("double", n=21).replies("It is 42.")
    assert await pepper.run("maths", "Twice 21?") == "It is 42."
    pepper.assert_events("llm.completed", "tool.called", "llm.completed", "task.completed")
    assert pepper.model.requests[0].messages[0].text.startswith("Calculate.")


async def test_models_answer_in_json_in_pieces_and_by_a_function(pepper):
    pepper.model.replies({"a": 1}).answers(lambda request: request.messages[-1].text.upper())
    assert (await pepper.client.llm.chat("x")).text == '{"a":1}'
    pieces = [one async for one in pepper.client.llm.stream("one two")]
    assert "".join(getattr(one, "text", "") for one in pieces) == "ONE TWO"
    assert len((await pepper.client.llm.embed(["a", "b"])).vectors) == 2


@pytest.mark.pepper(models=["fast", "openai/gpt-5"])
async def test_models_have_the_names_that_agents_ask_for(pepper):
    pepper.model.answers(lambda request: "Hi.")
    for name in ("default", "fast", "openai/gpt-5"):
        assert (await pepper.client.llm.chat("x", model=name)).text == "Hi."


async def test_a_worker_of_another_process_finds_the_bus(pepper, tmp_path):
    (tmp_path / "far.py").write_text(
        "from pepperpy import Agent\\nagent = Agent('far')\\n"
        "@agent.task('far')\\nasync def far(n: int) -> int:\\n    return n + 1\\n"
    )
    command = [sys.executable, "-m", "pepperpy", "worker", "far:agent"]
    environment = {**os.environ, **pepper.environ}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        await pepper.wait_for_agent("far")
        assert await pepper.run("far", 1) == 2
        process.terminate()


def test_a_test_without_it_is_left_alone():
    assert True
"""

FAILING = """
import pytest
from support import Ticket

pytestmark = pytest.mark.pepper("support:agent")


async def test_order(pepper):
    pepper.model.replies("x")
    await pepper.run("triage", Ticket("late", "c1"))
    pepper.assert_events("task.started", "task.completed", "llm.completed")


async def test_exact(pepper):
    pepper.model.replies("x")
    await pepper.run("triage", Ticket("late", "c1"))
    pepper.assert_events("task.started", "task.completed", exact=True)


async def test_late(pepper):
    await pepper.wait_for_events("invoice.found", within="50ms")


async def test_silent_model(pepper):
    await pepper.run("triage", Ticket("late", "c1"))


async def test_topic(pepper):
    await pepper.run("tirage", 1)


async def test_slow(pepper):
    await pepper.run("slow", 30, wait="200ms")


async def test_often(pepper):
    await pepper.client.submit("nap", 0, every="1s")
    await pepper.advance("1d")


@pytest.mark.pepper(agent="x")
async def test_marker(pepper):
    pass
"""


def test_a_suite_of_a_user_passes(suite: Suite) -> None:
    done = suite(PASSING)
    assert done.returncode == 0, done.stdout
    assert "14 passed" in done.stdout


def test_failures_say_what_came_and_what_to_do(suite: Suite) -> None:
    done = suite(FAILING)
    told = done.stdout
    assert "7 failed, 1 error" in told
    for line in (
        "llm.completed did not come after task.completed; it came before that, as number 2",
        "> 1. task.started  triage",
        "expected (-) and heard (+):",
        "+ llm.completed",
        "invoice.found did not come",
        "(there were no events)",
        "the model was asked for the 1. time, and the test says no answer: 'late'",
        'hint: say one before: pepper.model.replies("…")',
        "no worker of this test takes tasks of topic 'tirage'; there is confirm, nap, slow, triage",
        "events of task",
        "1. task.started  slow",
        "would fire more than 1000 times",
        "the marker pepper takes agents and models, no {'agent'}",
    ):
        assert line in told, line


def test_agents_can_be_named_in_the_settings_and_nothing_stays_on_the_broker(
    suite: Suite, broker: Broker
) -> None:
    async def named() -> int:
        async with connect(broker.url, bus__prefix="leftovers") as client:
            return int((await api(client.connection, "STREAM.NAMES"))["total"])

    before = asyncio.run(named())
    done = suite(
        "import pytest\n\npytestmark = pytest.mark.asyncio(loop_scope='function')\n\n\n"
        "async def test_it(pepper):\n"
        "    pepper.model.replies('Hi.')\n"
        "    assert (await pepper.run('triage', {'text': 'a', 'customer': 'b'})).text == 'Hi.'\n",
        ini="pepperpy_agents = support:agent\nasyncio_mode = auto\n",
    )
    assert done.returncode == 0, done.stdout
    assert asyncio.run(named()) == before


def test_a_broker_of_its_own_is_started_where_none_is_named(suite: Suite) -> None:
    done = suite("async def test_it(pepper):\n    assert pepper.url\n", url="")
    assert done.returncode == 0, done.stdout


def test_two_event_loops_are_told_with_the_cure(suite: Suite) -> None:
    text = "async def test_it(pepper):\n    await pepper.run('x')\n"
    done = suite(text, ini="asyncio_default_test_loop_scope = session\n")
    assert "the test runs in another event loop than its fixtures" in done.stdout


def test_without_the_asyncio_plugin_the_fixture_says_what_is_missing(suite: Suite) -> None:
    done = suite(
        "def test_it(pepper):\n    pass\n\n\ndef test_other():\n    pass\n",
        "-p",
        "no:asyncio",
        "-p",
        "blocker",
        "-W",
        "ignore::pytest.PytestConfigWarning",
        blocker="import sys\nsys.modules['pytest_asyncio'] = None\n",
    )
    assert "the fixture pepper needs pytest-asyncio: pip install pytest-asyncio" in done.stdout
    assert "1 passed, 1 error" in done.stdout


def test_the_plugin_imports_nothing_for_those_who_do_not_use_it(suite: Suite) -> None:
    done = suite(
        "import sys\n\n\ndef test_it():\n"
        "    heavy = [n for n in sys.modules if n.startswith(('pepperpy_', 'nats', 'msgspec'))]\n"
        "    assert heavy == []\n"
        "    assert 'pepperpy.testing.plugin' in sys.modules\n"
    )
    assert done.returncode == 0, done.stdout
