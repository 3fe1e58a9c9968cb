import asyncio
import gc
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import msgspec
import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import Cells
from pepperpy_provider_svc.limits.estimate import (
    answer_tokens,
    embedding_tokens,
    input_tokens,
    text_tokens,
)
from pepperpy_provider_svc.routing import patience
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.router import Restarted, Router
from pepperpy_provider_svc.upstreams.upstream import Chunk, Embeddings
from pepperpy_schemas.chat import ChatRequest, ToolCallDelta, Usage
from pepperpy_schemas.errors import (
    ContextTooLong,
    DeadlineExceeded,
    KeyRefused,
    NoTargetLeft,
    PepperError,
    RateLimited,
    RequestRefused,
    StreamBroken,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)
from tests.provider_svc.asking import (
    ASK,
    QUICK,
    USED,
    WHOLE,
    WORDS,
    Chance,
    Free,
    Heard,
    Held,
    JumpingClock,
    Listed,
    Noted,
    Planned,
    Streams,
    answers,
    ask,
    begins_late,
    fails,
    limited,
    listen,
    route_to,
    stalls,
    stays_silent,
)

BOTH = route_to("a/one", "b/two")
ALONE = route_to("a/one")
NO_RESTART = msgspec.structs.replace(ASK, no_restart=True)


def now() -> float:
    return asyncio.get_running_loop().time()


class Setting:
    """A router between two providers, the first of them with two keys."""

    def __init__(self, breakers: Breakers, clock: JumpingClock) -> None:
        self.first = Planned()
        self.second = Planned()
        self.rates = Free()
        self.clock = clock
        self.breakers = breakers
        self.router = Router(
            {"a": self.first, "b": self.second},
            Held(a=["k1", "k2"]),
            breakers,
            self.rates,
            Listed(windows={"b/two": 9000}),
            chance=Chance(),
        )

    @property
    def keys(self) -> list[str]:
        return [key for _, _, key in self.first.asked]


@pytest.fixture
async def breakers(
    connection: Connection, prefix: str, streams: Streams
) -> AsyncIterator[tuple[Breakers, JumpingClock]]:
    await streams(connection, prefix, "provider", "TASKS")
    clock = JumpingClock(connection, prefix)
    async with Breakers(Cells(connection, prefix, bucket="provider"), clock) as breakers:
        yield breakers, clock


@pytest.fixture
async def at(breakers: tuple[Breakers, JumpingClock]) -> AsyncIterator[Setting]:
    setting = Setting(*breakers)
    async with asyncio.timeout(20), setting.router:
        yield setting


async def test_an_answer_says_who_gave_it_and_what_it_took(at: Setting) -> None:
    bill = Noted()
    answered = (await ask(at.router, BOTH, bill=bill)).answered
    assert answered is not None
    assert (answered.target, answered.key, answered.finish) == ("a/one", "k1", "stop")
    assert answered.usage == USED
    assert [(one.target, one.code) for one in answered.attempts] == [("a/one", "")]
    assert bill.paid == [("a/one", USED)]
    assert at.first.asked == [("one", ASK, "k1")]


async def test_a_stream_ends_with_who_gave_it(at: Setting) -> None:
    heard = await listen(at.router, BOTH)
    assert heard.text == WHOLE
    assert heard.answered is not None
    assert heard.answered.value is None
    assert heard.answered.finish == "stop"
    assert heard.answered.usage == USED


async def test_vectors_are_asked_for_in_the_same_way(at: Setting) -> None:
    at.first.plan.appendleft(fails(UpstreamFailed()))
    answered = await at.router.embed(BOTH, ["x", "y"], None, deadline=None, tokens=2)
    assert answered.value.vectors == [[1.0], [1.0]]
    assert answered.usage == Usage(input_tokens=2)
    assert len(answered.attempts) == 2
    assert answered.finish is None


async def test_a_refused_key_is_left_alone_and_the_next_one_used(at: Setting) -> None:
    at.first.plan.appendleft(fails(KeyRefused()))
    answered = (await ask(at.router, BOTH)).answered
    assert answered is not None
    assert answered.key == "k2"
    await ask(at.router, BOTH)
    assert at.keys == ["k1", "k2", "k2"]
    at.clock.ahead = 61.0
    await ask(at.router, BOTH)
    assert at.keys[-1] == "k1"


async def test_when_all_keys_are_refused_another_target_answers(at: Setting) -> None:
    at.first.plan[0] = fails(KeyRefused())
    answered = (await listen(at.router, BOTH)).answered
    assert answered is not None
    assert answered.target == "b/two"
    assert at.keys == ["k1", "k2"]


async def test_nothing_but_wrong_keys_and_names_is_said_as_it_is(at: Setting) -> None:
    at.first.plan.extend([fails(KeyRefused("the first"))])
    at.first.plan[0] = fails(KeyRefused("the second"))
    with pytest.raises(KeyRefused, match="the first"):
        await ask(at.router, ALONE)
    at.second.plan[0] = fails(UnknownModel("no such model"))
    with pytest.raises(UnknownModel, match="no such model"):
        await ask(at.router, route_to("b/two"))
    with pytest.raises(NoTargetLeft) as caught:
        await ask(at.router, BOTH)
    assert "key_refused" in caught.value.message
    assert "unknown_model" in caught.value.message
    assert 50 < caught.value.context["retry_after"] <= 60


async def test_a_limited_key_makes_room_for_the_next_one(at: Setting) -> None:
    at.first.plan.appendleft(fails(limited(30.0)))
    await ask(at.router, BOTH)
    assert at.keys == ["k1", "k2"]
    await ask(at.router, BOTH)
    assert at.keys == ["k1", "k2", "k2"]


async def test_a_busy_key_of_the_fleet_is_passed_over_and_nobodys_failure(at: Setting) -> None:
    at.rates.busy["a/k1"] = [30.0]
    await ask(at.router, BOTH)
    at.rates.busy = {"a/k1": [30.0], "a/k2": [30.0]}
    answered = (await ask(at.router, BOTH)).answered
    assert answered is not None
    assert answered.target == "b/two"
    assert at.keys == ["k2"]
    assert at.breakers.record("a/one", "k1") is None
    assert at.router.figures.status("a/one", "k1", "closed", None).failures == 0


async def test_a_key_that_is_busy_for_a_moment_is_waited_for(at: Setting) -> None:
    at.rates.busy = {"a/k1": [0.05], "a/k2": [30.0]}
    begin = now()
    answered = (await ask(at.router, ALONE)).answered
    assert now() - begin >= 0.05
    assert answered is not None
    assert answered.key == "k1"
    assert len(answered.attempts) == 1


async def test_keys_that_are_busy_for_longer_are_said_with_the_shortest_time(at: Setting) -> None:
    at.rates.busy = {"a/k1": [40.0], "a/k2": [30.0]}
    with pytest.raises(NoTargetLeft) as caught:
        await ask(at.router, ALONE)
    assert 29 < caught.value.context["retry_after"] <= 30
    assert isinstance(caught.value.__cause__, RateLimited)
    assert at.first.calls == 0
    at.rates.busy = {"a/k1": [None], "a/k2": [None]}
    with pytest.raises(NoTargetLeft) as caught:
        await ask(at.router, ALONE)
    assert "retry_after" not in caught.value.context


async def test_a_key_is_not_waited_for_beyond_the_deadline(at: Setting) -> None:
    at.rates.busy = {"a/k1": [3.0], "a/k2": [3.0]}
    with pytest.raises(NoTargetLeft):
        await ask(at.router, ALONE, deadline=now() + 0.5)


async def test_limits_that_do_not_answer_hold_nobody_up(
    at: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_provider_svc.routing.trip._TAKE_WITHIN", 0.02)

    async def take(key: object, tokens: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(at.rates, "take", take)
    assert (await ask(at.router, ALONE)).text == WHOLE
    with pytest.raises(DeadlineExceeded):
        await ask(at.router, ALONE, deadline=now() + 0.01)


async def test_reservations_are_corrected_by_what_was_used(at: Setting) -> None:
    at.first.plan.extend([fails(UpstreamFailed()), fails(StreamBroken(), after=1), answers])
    async with at.router:
        await listen(at.router, ALONE)  # 13 tokens
        with pytest.raises(NoTargetLeft):
            await listen(at.router, ALONE)  # nothing, then what has come of it
        await ask(at.router, ALONE, tokens=13)  # as many as reserved
    came = input_tokens(ASK) + text_tokens(WORDS[0])
    assert at.rates.settled == [("a/k1", 100, 13), ("a/k1", 100, 0), ("a/k1", 100, came)]


async def test_a_correction_that_fails_is_nobodys_failure(
    at: Setting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def settle(key: object, reserved: int, used: int) -> None:
        raise UpstreamFailed("no broker")

    monkeypatch.setattr(at.rates, "settle", settle)
    async with at.router:
        assert (await ask(at.router, ALONE)).text == WHOLE


async def test_the_callers_deadline_ends_everything(at: Setting) -> None:
    at.first.plan[0] = stays_silent
    for way in (ask, listen):
        begin = now()
        with pytest.raises(DeadlineExceeded):
            await way(at.router, BOTH, deadline=now() + 0.05)
        assert now() - begin < 0.15
    assert at.second.calls == 0
    assert at.breakers.record("a/one", "k1") is None
    with pytest.raises(DeadlineExceeded):
        await ask(at.router, BOTH, deadline=now() - 1)


async def test_a_deadline_is_kept_between_two_calls(at: Setting) -> None:
    """The first call takes all the time there is, without anybody to blame for it."""

    async def slow(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        while loop.time() < deadline:  # it blocks the loop
            pass
        raise UpstreamFailed("503")
        yield Chunk()

    deadline = now() + 0.05
    at.first.plan[0] = slow
    with pytest.raises(DeadlineExceeded) as caught:
        await ask(at.router, BOTH, deadline=deadline)
    assert isinstance(caught.value.__cause__, UpstreamFailed)


async def test_a_whole_answer_has_only_its_total_time(at: Setting) -> None:
    at.first.plan[0] = stays_silent
    route = route_to("a/one", timeouts=QUICK.model_copy(update={"total": 0.3, "first_byte": 0.1}))
    begin = now()
    with pytest.raises(NoTargetLeft) as caught:
        await ask(at.router, route)
    assert now() - begin >= 0.3
    assert isinstance(caught.value.__cause__, UpstreamTimeout)
    assert [one["code"] for one in caught.value.context["attempts"]] == ["upstream_timeout"]
    assert "retry_after" not in caught.value.context


@pytest.mark.parametrize(
    ("step", "limit", "said"),
    [
        (stays_silent, "first_byte", "beginning"),
        (begins_late, "first_token", "first piece"),
        (stalls, "idle", "next piece"),
    ],
)
async def test_a_stream_has_a_time_for_each_of_its_parts(
    step: object, limit: str, said: str, at: Setting
) -> None:
    at.first.plan[0] = step  # type: ignore[assignment]  # one of the three above
    times = {"first_byte": 5.0, "first_token": 5.0, "idle": 5.0, "total": 5.0, limit: 0.05}
    begin = now()
    with pytest.raises(NoTargetLeft) as caught:
        await listen(at.router, route_to("a/one", timeouts=QUICK.model_copy(update=times)))
    assert 0.05 <= now() - begin < 2
    assert said in str(caught.value.__cause__)


async def test_a_stream_that_never_ends_has_an_end(at: Setting) -> None:
    async def drips(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        while True:
            yield Chunk(text=".")
            await asyncio.sleep(0.005)

    at.first.plan[0] = drips
    times = QUICK.model_copy(update={"total": 0.1})
    with pytest.raises(NoTargetLeft) as caught:
        await listen(at.router, route_to("a/one", timeouts=times))
    assert "whole answer" in str(caught.value.__cause__)


async def test_a_caller_who_reads_slowly_makes_no_provider_late(at: Setting) -> None:
    times = QUICK.model_copy(update={"idle": 0.05, "total": 0.1, "first_token": 0.05})
    text = ""
    streaming = at.router.stream(route_to("a/one", timeouts=times), ASK, deadline=None, tokens=1)
    async for item in streaming:
        if isinstance(item, Chunk):
            text += item.text
            late = asyncio.Event()
            asyncio.get_running_loop().call_later(0.08, late.set)
            await late.wait()
    assert text == WHOLE


async def test_a_restart_is_told_before_the_answer_begins_anew(at: Setting) -> None:
    at.first.plan[0] = fails(StreamBroken("cut"), after=2)
    streaming = at.router.stream(BOTH, ASK, deadline=None, tokens=1)
    items = [item async for item in streaming]
    kinds = [item.text if isinstance(item, Chunk) else type(item).__name__ for item in items]
    assert kinds == [*WORDS[:2], "Restarted", *WORDS, "", "Answered"]
    restarted = items[2]
    assert isinstance(restarted, Restarted)
    assert restarted.error.code == "stream_broken"


async def test_an_answer_that_was_seen_is_not_begun_anew_where_that_is_forbidden(
    at: Setting,
) -> None:
    at.first.plan[0] = fails(StreamBroken("cut"), after=2)
    with pytest.raises(StreamBroken, match="cut"):
        await listen(at.router, BOTH, NO_RESTART)
    at.first.plan[0] = stays_silent
    assert (await listen(at.router, BOTH, NO_RESTART)).text == WHOLE


def calls_tool(*pieces: ToolCallDelta) -> object:
    async def step(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        for piece in pieces:
            yield Chunk(tool_calls=(piece,))
        raise StreamBroken("cut")

    return step


WHOLE_CALL = (
    ToolCallDelta(0, id="1", name="pay", arguments='{"usd": {"a": 5}'),
    ToolCallDelta(0, arguments="} "),
)
QUOTED_END = (ToolCallDelta(0, id="1", name="say", arguments='{"it": "a \\" }]"'),)
HALF_CALL = (ToolCallDelta(0, id="1", name="pay", arguments='{"usd": {"a": 5}'),)
NEXT_CALL = (ToolCallDelta(0, id="1", name="look"), ToolCallDelta(1, id="2", name="pay"))


@pytest.mark.parametrize(
    ("pieces", "again"),
    [(WHOLE_CALL, False), (NEXT_CALL, False), (HALF_CALL, True), (QUOTED_END, True)],
)
async def test_nothing_begins_anew_once_a_tool_may_have_been_called(
    pieces: tuple[ToolCallDelta, ...], again: bool, at: Setting
) -> None:
    at.first.plan[0] = calls_tool(*pieces)  # type: ignore[assignment]  # a step
    if again:
        assert (await listen(at.router, BOTH)).restarts == ["stream_broken"]
        return
    with pytest.raises(StreamBroken, match="cut"):
        await listen(at.router, BOTH)
    assert at.second.calls == 0


async def test_cancelling_closes_the_providers_stream_at_once(at: Setting) -> None:
    at.first.plan[0] = stalls
    task = asyncio.create_task(
        listen(at.router, route_to("a/one", timeouts=QUICK.model_copy(update={"idle": 60.0})))
    )
    async with asyncio.timeout(5):
        while not at.first.open:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert at.first.open == 0
    status = at.router.status(["a/one"])[0]
    assert (status.running, status.calls, status.failures) == (0, 1, 0)


async def test_a_caller_who_leaves_closes_the_providers_stream(at: Setting) -> None:
    bill = Noted()

    async def tells(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(usage=Usage(input_tokens=10))
        yield Chunk(text="one")
        yield Chunk(text="two")

    at.first.plan[0] = tells
    streaming = at.router.stream(BOTH, ASK, deadline=None, tokens=100, bill=bill)
    async with aclosing(streaming) as items:
        async for _ in items:
            break
    assert at.first.open == 0
    assert bill.paid == [("a/one", Usage(input_tokens=10, output_tokens=3))]


@pytest.mark.parametrize("told", [None, Usage(input_tokens=10, output_tokens=1)])
async def test_a_stream_that_was_left_is_paid_as_far_as_it_came(
    at: Setting, told: Usage | None
) -> None:
    async def tells(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(usage=told)
        for _ in range(2000):
            yield Chunk(text="word ")

    at.first.plan[0] = tells
    bill, pieces = Noted(), 0
    streaming = at.router.stream(BOTH, ASK, deadline=None, tokens=100, bill=bill)
    async with aclosing(streaming) as items:
        async for _ in items:
            pieces += 1
            if pieces == 1000:
                break
    [(target, usage)] = bill.paid
    assert target == "a/one"
    assert usage.input_tokens == (10 if told else input_tokens(ASK))
    assert usage.output_tokens == text_tokens("word " * 1000)


@pytest.mark.parametrize("way", [listen, ask])
async def test_a_provider_that_does_not_say_what_it_used_is_paid_by_a_guess(
    way: Callable[..., Awaitable[Heard]], at: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def says_nothing(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text=WHOLE)
        yield Chunk(finish="stop")

    monkeypatch.setattr("tests.provider_svc.asking.USED", Usage())
    at.first.plan[0] = says_nothing
    bill = Noted()
    await way(at.router, BOTH, bill=bill)
    guess = Usage(input_tokens=input_tokens(ASK), output_tokens=text_tokens(WHOLE))
    assert bill.paid == [("a/one", guess)]


async def test_a_whole_answer_that_nobody_waits_for_is_paid_as_if_it_came(at: Setting) -> None:
    at.first.plan[0] = stays_silent
    bill = Noted()
    with pytest.raises(DeadlineExceeded):
        await ask(at.router, ALONE, deadline=now() + 0.05, bill=bill)
    asking = asyncio.create_task(ask(at.router, ALONE, bill=bill))
    while at.first.calls < 2:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    most = Usage(input_tokens=input_tokens(ASK), output_tokens=answer_tokens(ASK))
    assert bill.paid == [("a/one", most)] * 2


@pytest.mark.parametrize("way", [listen, ask])
async def test_nobody_pays_for_what_was_refused(
    way: Callable[..., Awaitable[Heard]], at: Setting
) -> None:
    at.first.plan[0] = fails(RequestRefused())
    bill = Noted()
    with pytest.raises(RequestRefused):
        await way(at.router, ALONE, bill=bill)
    assert bill.paid == []


async def test_vectors_without_a_count_are_paid_by_a_guess(
    at: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def embed(*args: object) -> Embeddings:
        return Embeddings(vectors=[[1.0]], usage=Usage())

    monkeypatch.setattr(at.first, "embed", embed)
    bill = Noted()
    await at.router.embed(ALONE, ["some words"], None, deadline=None, tokens=9, bill=bill)
    assert bill.paid == [("a/one", Usage(input_tokens=embedding_tokens(["some words"])))]


async def test_a_stream_that_cannot_be_closed_holds_nobody_up(
    at: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "CLOSING", 0.02)

    async def clings(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        try:
            yield Chunk(text="x")
            yield Chunk(finish="stop", usage=USED)
        finally:
            await asyncio.Event().wait()

    at.first.plan[0] = clings
    assert (await listen(at.router, ALONE)).text == "x"


async def test_an_iterator_without_an_end_of_its_own_is_read_too(
    at: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Plain:
        def __init__(self) -> None:
            self.left = [Chunk(text="x"), Chunk(finish="stop", usage=USED)]

        def __aiter__(self) -> "Plain":
            return self

        async def __anext__(self) -> Chunk:
            return self.left.pop(0)

    monkeypatch.setattr(at.first, "stream", lambda *args: Plain())
    assert (await listen(at.router, ALONE)).text == "x"


async def test_an_error_that_a_library_makes_of_a_cancellation_is_a_time_out(at: Setting) -> None:
    async def turns_it_around(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise UpstreamFailed("connection lost") from None
        yield Chunk()

    at.first.plan[0] = turns_it_around
    answered = (await listen(at.router, BOTH)).answered
    assert answered is not None
    assert [one.code for one in answered.attempts] == ["upstream_timeout", ""]


async def test_what_no_provider_should_raise_leaves_nothing_behind(at: Setting) -> None:
    async def is_broken(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        raise ZeroDivisionError
        yield Chunk()

    at.first.plan[0] = is_broken
    for way in (ask, listen):
        with pytest.raises(ZeroDivisionError):
            await way(at.router, BOTH)
    assert at.router.status(["a/one"])[0].running == 0


async def test_a_time_out_of_the_providers_own_is_passed_on(at: Setting) -> None:
    async def times_out(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        raise TimeoutError
        yield Chunk()

    at.first.plan[0] = times_out
    with pytest.raises(TimeoutError):
        await ask(at.router, BOTH)


async def test_those_who_wait_for_a_limit_let_one_of_them_look(at: Setting) -> None:
    """Ten requests at once, one key, one target: all of them are answered after the wait."""
    router = Router({"b": at.second}, Held(), at.breakers, at.rates, Listed(), chance=Chance())
    all_there = asyncio.Event()

    async def fails_together(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if at.second.calls == 10:
            all_there.set()
        await all_there.wait()
        raise limited(0.1)
        yield Chunk()

    at.second.plan.extend([*[fails_together] * 9, answers])
    at.second.plan[0] = fails_together
    heard = await asyncio.gather(*(ask(router, route_to("b/two")) for _ in range(10)))
    assert [one.text for one in heard] == [WHOLE] * 10
    assert at.second.calls == 20


async def test_a_key_that_another_request_looks_after_is_given_back(at: Setting) -> None:
    at.second.plan[0] = fails(KeyRefused())
    with pytest.raises(KeyRefused):
        await ask(at.router, route_to("b/two"))
    at.clock.ahead = 61.0
    at.second.plan[0] = answers
    outcomes = await asyncio.gather(
        *(ask(at.router, route_to("b/two"), tokens=50) for _ in range(5)), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, NoTargetLeft)]
    assert len(refused) + at.second.calls - 1 == 5
    async with at.router:  # it waits for what is still to be told
        pass
    assert at.rates.settled.count(("b/main", 50, 0)) == len(refused)
    assert all(one.context["retry_after"] <= 1 for one in refused)


async def test_tokens_are_counted_by_whoever_can(at: Setting) -> None:
    counted = await at.router.count(BOTH, ASK, deadline=None)
    assert (counted.value, counted.target) == (7, "a/one")
    at.first.plan[0] = fails(UnknownModel())
    counted = await at.router.count(BOTH, ASK, deadline=None)
    assert (counted.value, counted.target) == (7, "b/two")
    counted = await at.router.count(ALONE, ASK, deadline=None)
    assert (counted.value, counted.target) == (None, "a/one")
    at.first.plan[0] = stays_silent
    with pytest.raises(DeadlineExceeded):
        await at.router.count(ALONE, ASK, deadline=now() + 0.02)
    assert at.breakers.record("a/one", "k1") is None
    assert at.router.status(["a/one"])[0].calls == 0


async def test_a_target_is_shown_with_each_of_its_keys(at: Setting) -> None:
    at.first.plan.appendleft(fails(KeyRefused()))
    await ask(at.router, ALONE)
    first, second = at.router.status(["a/one"])
    assert (first.key, first.breaker, first.reason, first.failures) == (
        "k1",
        "open",
        "key_refused",
        1,
    )
    assert first.until is not None
    assert (second.key, second.breaker, second.calls, second.failures) == ("k2", "closed", 1, 0)
    assert second.p50_ms is not None


async def test_a_larger_window_may_be_known_from_the_prices(at: Setting) -> None:
    at.first.plan[0] = fails(ContextTooLong())
    answered = (await ask(at.router, route_to("a/one", "b/two", windows={"a/one": 8000}))).answered
    assert answered is not None
    assert answered.target == "b/two"


async def test_a_provider_that_flaps_costs_little_and_fails_nobody(at: Setting) -> None:
    """It is down and up in turns of ten seconds; a fallback is there."""
    chance, bill, begin = random.Random(7), Noted(), 0
    for n in range(200):
        up = n // 10 % 2
        if n % 20 == 0:
            begin = at.second.calls
        at.second.plan[0] = answers if up else fails(UpstreamFailed("503"))
        way = ask if chance.random() < 0.5 else listen
        assert (await way(at.router, route_to("b/two", "a/one"), bill=bill)).text == WHOLE
        assert up or at.second.calls - begin <= 10
        at.clock.ahead += 1.0
    assert len(bill.paid) == 200
    # It is used again when it is up.
    assert at.first.calls < 185


async def test_a_thousand_cancels_leave_nothing_behind(
    at: Setting, eventually: Callable[..., Awaitable[None]]
) -> None:
    chance = random.Random(11)

    async def slow(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in answers(request):
            await asyncio.sleep(chance.random() * 0.02)
            yield chunk

    at.first.plan[0] = at.second.plan[0] = slow
    await eventually(lambda: any(one.get_name().startswith("pull-") for one in asyncio.all_tasks()))
    before = len(asyncio.all_tasks())
    for _ in range(10):
        tasks = [
            asyncio.create_task(chance.choice((ask, listen))(at.router, BOTH)) for _ in range(100)
        ]
        loop = asyncio.get_running_loop()
        for task in tasks:
            loop.call_later(chance.random() * 0.04, task.cancel)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(
            isinstance(one, asyncio.CancelledError) or getattr(one, "text", "") == WHOLE
            for one in outcomes
        )
    gc.collect()
    assert len(asyncio.all_tasks()) == before
    assert (at.first.open, at.second.open) == (0, 0)
    assert [one.running for one in at.router.status(["a/one", "b/two"])] == [0, 0, 0]
    assert at.breakers.record("a/one", "k1") is None


@pytest.mark.parametrize("error", [KeyRefused(), UnknownModel()])
async def test_a_model_without_vectors_is_still_asked_for_answers(
    at: Setting, error: PepperError
) -> None:
    at.first.plan.extend([fails(error), fails(error), answers])
    at.first.plan.popleft()
    with pytest.raises((NoTargetLeft, type(error))):
        await at.router.embed(ALONE, ["text"], None, deadline=None, tokens=9)
    assert [one.breaker for one in at.router.status(["a/one"])] == ["closed", "closed"]
    assert (await ask(at.router, ALONE)).text == WHOLE
