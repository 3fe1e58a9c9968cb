"""A call under grants, limits and time, and what is told of it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pepperpy import Agent, Client, Context
from pepperpy_agents.tools import (
    Grants,
    Tool,
    Toolbox,
    ToolLimits,
    ToolUse,
    results,
    threads,
    timing,
    tool,
)
from pepperpy_agents.tools.running import Prepared
from pepperpy_bus.events import Emitter
from pepperpy_bus.redaction import scrub
from pepperpy_schemas.chat import ToolCall, ToolResult
from pepperpy_schemas.errors import BadConfig, ToolFailed
from tests.agents.conftest import Seen, Working

USE = ToolUse(caller="tests")


class Panic(BaseException):
    """As libraries in Rust raise it."""


async def run(
    box: Toolbox, name: str, arguments: Any = None, use: ToolUse = USE, call_id: str = "1"
) -> ToolResult:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return await box.run(ToolCall(call_id, name, text), use)


@tool(needs="orders.read:{customer}")
async def orders(customer: str) -> list[str]:
    """Lists orders."""
    return [f"{customer}-1"]


@tool
def double(x: int) -> int:
    """Doubles a number."""
    return 2 * x


# --- what is wrong with a call becomes its result -------------------------------------------------


async def test_a_call_returns_text_or_json() -> None:
    box = Toolbox([orders, double], grants=["orders.read"])
    assert await run(box, "orders", {"customer": "c42"}) == ToolResult("1", '["c42-1"]')
    assert await run(box, "double", {"x": 4}) == ToolResult("1", "8")


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("shell", "{}", "unknown_tool: there is no tool 'shell' (there are: orders, double)"),
        ("double\x1b[2J", "{}", "unknown_tool: there is no tool"),
        ("double", "", "bad_arguments: double does not take these arguments: $.x is missing"),
        ("double", "[4]", "Expected `object`, got `array`"),
        ("double", '{"x": 4', "$: they are no JSON"),
        ("double", '{"x": NaN}', "$: they are no JSON"),
        ("double", '{"x": 1' + "0" * 5000 + "}", "bad_arguments"),
        ("double", '{"x": "\ud800"}', "bad_arguments"),
        ("double", '{"x": 4, "y": 5}', "$.y: there is no such argument"),
        ("double", '{"x": "4"}', "$.x: Input should be a valid integer"),
        ("double", '{"x": "' + "a" * 200_000 + '"}', "200009 bytes are more than the 131072"),
        ("double", '{"x":' + "[" * 60_000 + "]" * 60_000 + "}", "nested too deeply"),
        ("double", '{"x":' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32 levels"),
        ("orders", '{"customer": "c43"}', "not_granted: orders needs orders.read:c43"),
    ],
)
async def test_what_a_model_does_wrong_is_told_to_it(name: str, arguments: str, told: str) -> None:
    box = Toolbox([orders, double], grants=["orders.read:c42"])
    result = await run(box, name, arguments)
    assert result.error
    assert told in result.content
    assert "\x1b" not in result.content
    assert len(result.content) < 2200


async def test_a_use_cannot_bring_grants_of_its_own() -> None:
    box = Toolbox([orders])
    asked = ToolUse(caller="tests", grants=Grants.of(["orders"]))
    assert (await run(box, "orders", {"customer": "c42"}, asked)).content.startswith("not_granted")


async def test_a_tool_sees_the_grants_of_its_toolbox() -> None:
    @tool
    def granted(use: ToolUse) -> list[str]:
        return [str(one) for one in use.grants.scopes]

    box = Toolbox([granted], grants=["files.read:/data"])
    assert (await run(box, "granted")).content == '["files.read:/data"]'


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such day"), "tool_failed: ValueError: no such day"),
        (KeyError(), "tool_failed: KeyError"),
        (ToolFailed("the shop is closed"), "tool_failed: the shop is closed"),
        (SystemExit(3), "tool_failed: broken called exit(3)"),
        (StopIteration(), "tool_failed: RuntimeError"),
        (RecursionError("deep"), "tool_failed: RecursionError: deep"),
        (OSError("at https://me:secret@example.org"), "tool_failed: OSError: at https://***@"),
        (
            RuntimeError("token=abc123 \x1b[2J\nforged"),
            "tool_failed: RuntimeError: token=*** \\x1b",
        ),
        (asyncio.CancelledError(), "tool_failed: broken was canceled from within"),
        (BaseExceptionGroup("two", [ValueError("a")]), "tool_failed: ExceptionGroup: two"),
        (Panic("a bug"), "tool_failed: broken ended by Panic: a bug"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_what_a_tool_raises_is_told_to_the_model(
    error: BaseException, told: str, asynchronous: bool
) -> None:
    async def in_loop() -> None:
        raise error

    def in_thread() -> None:
        raise error

    box = Toolbox([tool(name="broken")(in_loop if asynchronous else in_thread)])
    result = await run(box, "broken")
    assert result.error
    assert result.content.startswith(told)


async def test_a_long_error_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def counted(text: str) -> str:
        looked.append(len(text))
        return scrub(text)

    monkeypatch.setattr(results, "scrub", counted)

    @tool
    def broken() -> None:
        raise ValueError("://a" * 1_000_000)

    result = await run(Toolbox([broken]), "broken")
    assert result.error
    assert max(looked) < 10_000


async def test_a_thread_that_cannot_start_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    @tool
    def plain() -> str:
        return "done"

    box = Toolbox([plain])
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert (await run(box, "plain")).content.startswith("overloaded")
    assert not threads._running
    assert (await run(box, "plain")).content == "done"


async def test_a_tool_that_cannot_say_what_it_needs_is_not_called() -> None:
    def needs(arguments: Any) -> list[str]:
        raise KeyError("path")

    done: list[str] = []
    box = Toolbox([tool(name="odd", needs=needs)(lambda: done.append("called"))])
    assert (await run(box, "odd")).content.startswith("tool_failed: KeyError")
    assert not done


async def test_results_that_no_model_could_read_are_made_readable() -> None:
    values: dict[str, Any] = {
        "large": "x" * 5000,
        "lone": "a\udcffb",
        "bytes": b"caf\xe9",
        "nothing": None,
        "object": object(),
    }

    @tool
    def give(which: str) -> Any:
        return values[which]

    box = Toolbox([give], limits=ToolLimits(result=100))
    large = (await run(box, "give", {"which": "large"})).content
    assert large.startswith("x" * 100 + "\n[cut here: these are the first 100 of 5000 characters]")
    assert (await run(box, "give", {"which": "lone"})).content == "a?b"
    assert (await run(box, "give", {"which": "bytes"})).content == "caf�"
    assert (await run(box, "give", {"which": "nothing"})).content == "null"
    told = await run(box, "give", {"which": "object"})
    assert told.error
    assert "cannot be written as JSON" in told.content


async def test_foreign_schemas_are_checked_and_their_bombs_refused() -> None:
    async def call(arguments: dict[str, Any], use: ToolUse) -> str:
        return "called"

    def foreign(**schema: Any) -> Toolbox:
        return Toolbox(
            [Tool(name="far", description="", parameters={"type": "object", **schema}, call=call)]
        )

    plain = foreign(properties={"n": {"type": "integer"}}, additionalProperties=False)
    assert (await run(plain, "far", {"n": 1})).content == "called"
    assert "$.n: " in (await run(plain, "far", {"n": "1"})).content
    assert "'m' was unexpected" in (await run(plain, "far", {"m": 1})).content

    links: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)
    }
    bomb = foreign(**{"$defs": {**links, "d40": {}}, "$ref": "#/$defs/d0"})
    assert "has more than 20000 rules" in (await run(bomb, "far", {"n": 1})).content
    pattern = foreign(properties={"s": {"pattern": "^(?=(a+)+$)x"}})
    assert (await run(pattern, "far", {"s": "a" * 5000 + "b"})).error
    anything = {
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/any"}}, {"$ref": "#/$defs/any"}]
    }
    wide = foreign(
        **{"$defs": {"any": {"type": "array", "items": anything}}, "properties": {"a": anything}}
    )
    deep: Any = []
    for _ in range(25):
        deep = [deep] * 2 if len(str(deep)) < 20_000 else [deep]
    assert "to be checked" in (await run(wide, "far", {"a": deep})).content
    for reference in ("file:///etc/passwd", "http://127.0.0.1:9/schema.json"):
        outside = foreign(properties={"s": {"$ref": reference}})
        assert "Retrieval is disabled" in (await run(outside, "far", {"s": 1})).content


def test_two_tools_may_not_look_alike_to_a_model() -> None:
    @tool(name="double")
    def other() -> str:
        return ""

    dotted = tool(name="files.read")(lambda: "")
    flat = tool(name="files_read")(lambda: "")
    assert [one.name for one in Toolbox([double, double])] == ["double"]
    for pair in ([double, other], [dotted, flat]):
        with pytest.raises(BadConfig, match="two tools have the name"):
            Toolbox(pair)
    box = Toolbox([dotted])
    assert box.find("files_read") is box.find("files.read") is dotted
    assert [spec.name for spec in box.specs()] == ["files_read"]


async def test_a_call_can_be_looked_at_before_it_is_made() -> None:
    box = Toolbox([orders], grants=["orders.read:c42"])
    prepared = await box.check(ToolCall("1", "orders", '{"customer":"c42"}'), USE)
    assert isinstance(prepared, Prepared)
    assert (prepared.tool, prepared.scopes) == (orders, ("orders.read:c42",))
    foreign = await box.check(ToolCall("2", "orders", '{"customer":"c43"}'), USE)
    unknown = await box.check(ToolCall("3", "nope", "{}"), USE)
    for refused, code in ((foreign, "not_granted"), (unknown, "unknown_tool")):
        assert isinstance(refused, ToolResult)
        assert refused.error
        assert refused.content.startswith(code)


# --- time and numbers -----------------------------------------------------------------------------


async def test_the_time_of_a_call_ends_the_wait_and_cancels_it() -> None:
    ended: list[str] = []

    @tool(timeout="50ms")
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cleaned up")
        return ""

    result = await run(Toolbox([slow]), "slow")
    assert result.content == "tool_timeout: slow did not end within 50ms"
    assert ended == ["cleaned up"]


async def test_a_call_that_does_not_let_itself_be_canceled_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "CLEAN_UP", 0.05)
    release = asyncio.Event()

    @tool(timeout="20ms")
    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise ValueError("nobody hears it")

    box = Toolbox([stubborn, double], concurrency=1)
    assert (await run(box, "stubborn")).content.startswith("tool_timeout")
    # It holds no slot any more.
    assert (await run(box, "double", {"x": 1})).content == "2"
    assert len(timing._left) == 1
    release.set()
    async with asyncio.timeout(5):
        while timing._left:
            await asyncio.sleep(0)


async def test_threads_that_hang_are_left_behind_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "MOST", 2)
    release = threading.Event()

    @tool(timeout="20ms")
    def hang() -> None:
        release.wait(30)

    box = Toolbox([hang])
    try:
        for _ in range(2):
            assert (await run(box, "hang")).content.startswith("tool_timeout")
        assert (await run(box, "hang")).content.startswith("overloaded: 2 functions of tools")
    finally:
        release.set()
    async with asyncio.timeout(5):
        while threads._running:
            await asyncio.sleep(0)


async def test_nobody_waits_beyond_the_callers_deadline() -> None:
    started: list[str] = []

    @tool
    async def forever() -> None:
        started.append("started")
        await asyncio.Event().wait()

    now = asyncio.get_running_loop().time()
    box = Toolbox([forever], concurrency=1)
    soon = ToolUse(caller="tests", deadline=now + 0.1)
    results = await asyncio.gather(*(run(box, "forever", use=soon) for _ in range(3)))
    assert {one.content.partition(":")[0] for one in results} == {"tool_timeout"}
    assert started == ["started"]  # the others had no slot before their time was over
    late = ToolUse(caller="tests", deadline=now - 1)
    assert "time is over" in (await run(box, "forever", use=late)).content


async def test_a_canceled_caller_cancels_the_call_and_frees_its_slot() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    @tool
    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    box = Toolbox([forever, double], concurrency=1)
    calling = asyncio.create_task(run(box, "forever"))
    await begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert ended.is_set()
    assert (await run(box, "double", {"x": 1})).content == "2"


async def test_a_thousand_calls_run_a_few_at_once_and_each_has_its_result() -> None:
    running, most = 0, 0

    @tool
    async def count(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return n

    box = Toolbox([count], concurrency=5)
    calls = (run(box, "count", {"n": n}, call_id=str(n)) for n in range(1000))
    results = await asyncio.gather(*calls)
    assert [(one.id, one.content) for one in results] == [(str(n), str(n)) for n in range(1000)]
    assert most == 5


# --- what is told ---------------------------------------------------------------------------------


@pytest.fixture
async def emitter(client: Client) -> AsyncIterator[Emitter]:
    await client.submit("nothing", 1)  # makes sure that there are streams
    async with client.emitter() as one:
        yield one


async def test_every_call_is_told_of_and_its_arguments_are_not(
    client: Client, working: Working, seen: Seen
) -> None:
    agent = Agent("clerk")
    box = Toolbox([orders, double], grants=["orders.read:c42"])

    @agent.task("ask")
    async def ask(data: list[list[str]], ctx: Context) -> list[str]:
        use = ToolUse(caller="clerk", ctx=ctx)
        return [(await box.run(ToolCall(*call), use)).content for call in data]

    calls = [
        ["a", "orders", '{"customer":"c42"}'],
        ["b", "orders", '{"customer":"secret-c43"}'],
        ["c", "rm -rf /", "{}"],
        ["d", "double", '{"x":"secret"}'],
    ]
    async with working(agent):
        task = await client.submit("ask", calls)
        assert len(await client.result(task, wait=10)) == 4
        await seen.named(task, "tool.refused", 3)
    told = await seen.events(f"tool.*.*.{task}")
    assert [(one.name, one.scope) for one in told] == [
        ("tool.called", "orders"),
        ("tool.completed", "orders"),
        ("tool.refused", "orders"),
        ("tool.refused", "rm_-rf__"),
        ("tool.refused", "double"),
    ]
    called, completed, refused, unknown, wrong = (one.data for one in told)
    assert called["scopes"] == ["orders.read:c42"]
    assert (called["tool"], called["call"], called["agent"]) == ("orders", "a", "clerk")
    assert len(called["arguments"]) == 64
    assert completed["ms"] >= 0
    assert (refused["code"], refused["scopes"]) == ("not_granted", ["orders.read:secret-c43"])
    assert (unknown["code"], unknown["tool"]) == ("unknown_tool", "rm -rf /")
    assert wrong["code"] == "bad_arguments"
    assert "secret" not in json.dumps([wrong, unknown, called, completed])
    assert {one.event.correlation for one in told} == {task}


async def test_calls_without_a_task_are_told_of_by_the_emitter(
    client: Client, emitter: Emitter, seen: Seen
) -> None:
    @tool
    def fail() -> None:
        raise ValueError("no")

    box = Toolbox([fail], emitter=emitter)
    await run(box, "fail")
    await run(box, "nope")
    assert await emitter.flush()
    told = await seen.events("tool.>")
    assert [(one.name, one.data.get("code")) for one in told] == [
        ("tool.called", None),
        ("tool.failed", "tool_failed"),
        ("tool.refused", "unknown_tool"),
    ]
