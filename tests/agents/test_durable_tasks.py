"""Steps, questions, children: what a task keeps when its worker goes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pepperpy import Agent, Client, Context, PepperError
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.tasks.journal import Journal
from pepperpy_schemas.errors import BadPayload, ChildFailed, Conflict, JournalMismatch, NoAnswer
from pepperpy_schemas.messages import StepEntry, WaitEntry

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


class Draft(msgspec.Struct):
    text: str
    n: int


async def history_of(client: Client, task_id: str) -> Any:
    journal = Journal(client.connection, client.prefix, task_id, "test")
    await journal.read()
    return journal.history


async def question_of(client: Client, task_id: str, eventually: Eventually) -> Any:
    return await eventually(lambda: client.question(task_id))


# --- steps ----------------------------------------------------------------------------------------


async def test_a_finished_step_is_not_done_again_by_the_next_attempt(
    client: Client, working: Working
) -> None:
    agent, done = Agent("steps"), []

    def count(name: str) -> int:
        done.append(name)
        return len(done)

    async def draft(text: str) -> Draft:
        done.append("draft")
        return Draft(text, len(done))

    @agent.task("steps", retry_delay=0.01)
    async def steps(text: str, ctx: Context) -> list[Any]:
        first = await ctx.step("count", count, "one")
        second = await ctx.step("draft", draft, text=text)
        if ctx.attempt == 1:
            raise ValueError("after two steps")
        return [first, second.n, second.text, await ctx.step("count", count, name="three")]

    async with working(agent):
        task_id = await client.submit("steps", "hi")
        ended = await client.ended(task_id, wait=10)
    assert await client.result(task_id) == [1, 2, "hi", 3]
    assert (done, ended.attempt) == (["one", "draft", "three"], 2)
    kinds = [type(one).__name__ for one in (await history_of(client, task_id)).entries]
    assert kinds == [
        "InputEntry",
        "StepEntry",
        "StepEntry",
        "FailureEntry",
        "ClaimEntry",
        "StepEntry",
    ]


async def test_steps_that_run_at_the_same_time_keep_their_places(
    client: Client, working: Working
) -> None:
    agent, done = Agent("fan"), []

    async def late(n: int) -> int:
        await asyncio.sleep(0.02 * (3 - n))
        done.append(n)
        return n

    @agent.task("fan", retry_delay=0.01)
    async def fan(_: None, ctx: Context) -> list[int]:
        values = await asyncio.gather(*(ctx.step(f"s{n}", late, n) for n in range(3)))
        if ctx.attempt == 1:
            raise ValueError("again")
        return values

    async with working(agent):
        assert await client.run("fan", wait=10) == [0, 1, 2]
    assert sorted(done) == [0, 1, 2]


async def test_a_journal_that_does_not_fit_the_code_names_the_step(
    client: Client, working: Working
) -> None:
    agent = Agent("changed")

    @agent.task("changed", retries=1, retry_delay=0.01)
    async def changed(_: None, ctx: Context) -> int:
        await ctx.step("fetch" if ctx.attempt == 1 else "load", lambda: 1)
        if ctx.attempt == 1:
            raise ValueError("other code takes over")
        return 1

    @agent.task("shorter", retries=1, retry_delay=0.01)
    async def shorter(_: None, ctx: Context) -> int:
        if ctx.attempt == 1:
            await ctx.step("fetch", lambda: 1)
            raise ValueError("other code takes over")
        return 1

    async with working(agent):
        with pytest.raises(JournalMismatch, match="step 'fetch', where the code has step 'load'"):
            await client.run("changed", wait=10)
        with pytest.raises(
            JournalMismatch, match="step 'fetch' at place 1, which the code did not"
        ):
            await client.run("shorter", wait=10)


async def test_a_large_result_of_a_step_travels_by_reference(
    client: Client, working: Working
) -> None:
    agent = Agent("large")

    @agent.task("large", retry_delay=0.01)
    async def large(_: None, ctx: Context) -> int:
        text = await ctx.step("big", lambda: "x" * 700_000)
        if ctx.attempt == 1:
            raise ValueError("again")
        return len(text)

    async with working(agent):
        task_id = await client.submit("large")
        assert await client.result(task_id, wait=10) == 700_000
    history = await history_of(client, task_id)
    (step,) = [one for one in history.entries if isinstance(one, StepEntry)]
    assert step.blob
    assert bytes(step.data) == b"null"


# --- questions ------------------------------------------------------------------------------------


def deploying(**options: Any) -> Agent:
    agent = Agent("deploys")

    @agent.task("deploy", concurrency=1)
    async def deploy(name: str, ctx: Context) -> str:
        prepared = await ctx.step("prepare", lambda: f"{name} prepared")
        answer = await ctx.ask(f"Deploy {name}?", choices=["yes", "no"], **options)
        return f"{prepared}: {answer}"

    return agent


async def test_an_answer_resumes_the_task_in_another_worker(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    async with working(deploying()):
        task_id = await client.submit("deploy", "api")
        question = await question_of(client, task_id, eventually)
    assert question.wait.text == "Deploy api?"
    with pytest.raises(BadPayload, match="none of the choices"):
        await client.answer(task_id, "maybe")
    await client.answer(task_id, "yes", by="ana")
    with pytest.raises(Conflict, match="has been answered"):
        await client.answer(task_id, "no", by="bob")
    async with working(deploying()):
        assert await client.result(task_id, wait=10) == "api prepared: yes"
    (asked,) = await seen.named(task_id, "task.input_required")
    assert asked.data["question"] == 1
    assert asked.data["choices"] == ["yes", "no"]


async def test_a_question_holds_no_slot(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(deploying()):
        first = await client.submit("deploy", "one")
        await question_of(client, first, eventually)
        second = await client.submit("deploy", "two")
        await question_of(client, second, eventually)


@pytest.mark.parametrize("body", [b'{"answer":"yes"}', b'"yes"', b"yes"])
async def test_a_bare_publish_is_an_answer(
    client: Client, working: Working, eventually: Eventually, body: bytes
) -> None:
    async with working(deploying()):
        task_id = await client.submit("deploy", "api")
        await question_of(client, task_id, eventually)
        await client.connection.publish(f"{client.prefix}.answer.deploy.{task_id}.1", body)
        assert await client.result(task_id, wait=10) == "api prepared: yes"


async def test_an_answer_that_is_none_of_the_choices_leaves_the_question_open(
    client: Client, working: Working, eventually: Eventually
) -> None:
    async with working(deploying()):
        task_id = await client.submit("deploy", "api")
        await question_of(client, task_id, eventually)
        subject = f"{client.prefix}.answer.deploy.{task_id}.1"
        await store(client.connection, subject, b'{"answer":"maybe"}')

        async def answered() -> bool:
            with contextlib.suppress(Conflict):
                await client.answer(task_id, "no")
                return True
            return False

        await eventually(answered)
        assert await client.result(task_id, wait=10) == "api prepared: no"


async def test_the_default_answers_at_the_deadline(client: Client, working: Working) -> None:
    async with working(deploying(deadline=0.5, default="no")):
        assert await client.run("deploy", "api", wait=15) == "api prepared: no"


async def test_without_a_default_the_deadline_fails_the_task(
    client: Client, working: Working
) -> None:
    async with working(deploying(deadline=0.5)):
        with pytest.raises(NoAnswer, match="nobody answered 'Deploy api\\?' in time"):
            await client.run("deploy", "api", wait=15)


async def test_people_are_reminded_of_an_open_question(
    client: Client, working: Working, seen: Any, eventually: Eventually
) -> None:
    async with working(deploying(remind=1)):
        task_id = await client.submit("deploy", "api")

        async def reminded() -> bool:
            told = await seen.named(task_id, "task.input_required")
            return any(one.data.get("reminder") for one in told)

        await eventually(reminded)


async def test_a_task_sleeps_without_a_slot(client: Client, working: Working) -> None:
    agent = Agent("sleeps")

    @agent.task("sleeps")
    async def sleeps(_: None, ctx: Context) -> int:
        await ctx.sleep(0.5)
        return ctx.attempt

    async with working(agent):
        assert await client.run("sleeps", wait=15) == 2


async def test_a_task_whose_deadline_passes_while_it_waits_fails(
    client: Client, working: Working
) -> None:
    async with working(deploying()):
        with pytest.raises(PepperError) as failed:
            await client.run("deploy", "api", timeout=1.0, wait=15)
    assert failed.value.code == "deadline_exceeded"


# --- children -------------------------------------------------------------------------------------


def family(runs: list[Any]) -> Agent:
    agent = Agent("family")

    @agent.task("child")
    async def child(n: int) -> int:
        runs.append(n)
        if n < 0:
            raise ValueError("negative")
        return n * n

    @agent.task("parent", concurrency=1, retries=0)
    async def parent(numbers: list[int], ctx: Context) -> int:
        children = [await ctx.submit("child", n) for n in numbers]
        return sum(await ctx.gather(*children))

    @agent.task("lenient", retries=0)
    async def lenient(numbers: list[int], ctx: Context) -> list[str]:
        children = [await ctx.submit("child", n) for n in numbers]
        ends = await ctx.gather(*children, return_exceptions=True)
        return [type(one).__name__ for one in ends]

    @agent.task("twice", retry_delay=0.01)
    async def twice(n: int, ctx: Context) -> int:
        value = await ctx.run("child", n)
        if ctx.attempt < 3:
            raise ValueError("again")
        return int(value)

    @agent.task("grandparent")
    async def grandparent(n: int, ctx: Context) -> Any:
        return await ctx.run("parent", [n])

    return agent


async def test_a_parent_goes_on_with_the_results_of_its_children(
    client: Client, working: Working, seen: Any
) -> None:
    runs: list[Any] = []
    async with working(family(runs)):
        task_id = await client.submit("parent", [1, 2, 3])
        assert await client.result(task_id, wait=15) == 14
    assert sorted(runs) == [1, 2, 3]
    history = await history_of(client, task_id)
    assert [one.topic for one in history.children] == ["child"] * 3
    assert any(isinstance(one, WaitEntry) for one in history.entries)


async def test_a_hundred_children_wake_their_parent_once_all_have_ended(
    client: Client, working: Working
) -> None:
    runs: list[Any] = []
    async with working(family(runs)):
        assert await client.run("parent", list(range(100)), wait=30) == sum(
            n * n for n in range(100)
        )
    assert len(runs) == 100


async def test_an_attempt_after_a_failure_has_the_same_children(
    client: Client, working: Working
) -> None:
    runs: list[Any] = []
    async with working(family(runs)):
        assert await client.run("twice", 4, wait=15) == 16
    assert runs == [4]


async def test_a_childs_error_reaches_the_caller_with_its_chain(
    client: Client, working: Working
) -> None:
    runs: list[Any] = []
    agent = family(runs)
    agent.tasks["child"] = msgspec.structs.replace(
        agent.tasks["child"], retry=msgspec.structs.replace(agent.tasks["child"].retry, retries=0)
    )
    async with working(agent):
        with pytest.raises(ChildFailed) as failed:
            await client.run("grandparent", -1, wait=15)
        assert await client.run("lenient", [2, -1], wait=15) == ["int", "ChildFailed"]
    chain = []
    error: BaseException | None = failed.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__
    assert chain[-1] == "ValueError: negative"
    assert len(chain) == 3
