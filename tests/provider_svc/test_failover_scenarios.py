"""The ways in which providers are known to fail, with time-outs made small."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.state.cells import Cells
from pepperpy_provider_svc.limits.estimate import text_tokens
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.router import Router
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest, Usage
from pepperpy_schemas.errors import (
    ContentFiltered,
    ContextTooLong,
    NoTargetLeft,
    PepperError,
    RequestRefused,
    StreamBroken,
    UpstreamFailed,
)
from tests.provider_svc.asking import (
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
    Step,
    Streams,
    answers,
    ask,
    begins_late,
    fails,
    has_no_end,
    limited,
    listen,
    route_to,
    stalls,
    stays_silent,
)

ROUTE = route_to("a/one", "b/two", windows={"a/one": 1000, "b/two": 8000})
ALONE = route_to("a/one")
IN_PART = Usage(input_tokens=10, output_tokens=2)

Way = Callable[..., Awaitable[Heard]]
ways = pytest.mark.parametrize("way", [ask, listen], ids=["whole", "streamed"])


async def refuses_prefill(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    if request.messages[-1].role == "assistant":
        raise RequestRefused("this model does not support assistant message prefill")
    async for chunk in answers(request):
        yield chunk


class Scenario(msgspec.Struct, frozen=True):
    """What the first provider does, and what comes of it.

    Attributes:
        first: What the first provider does, call by call, its last step for ever.
        asked: Whom a whole answer is asked of, in order.
        streamed: The same of a streamed one, if it differs.
        restarts: Errors after which a streamed answer begins anew.
        second: What the second provider does.
        alone: Whether there is no second one.
    """

    first: tuple[Step, ...]
    asked: str
    streamed: str = ""
    restarts: tuple[str, ...] = ()
    second: Step = answers
    alone: bool = False


CUT = fails(StreamBroken("cut"), after=2)
SCENARIOS = {
    "429 with Retry-After": Scenario((fails(limited(30.0)),), "ab"),
    "429 with Retry-After, alone": Scenario((fails(limited(0.05)), answers), "aa", alone=True),
    "429 without Retry-After": Scenario((fails(limited()), answers), "aa"),
    "429 without Retry-After for ever": Scenario((fails(limited()),), "aab"),
    "429 for 49 days": Scenario((fails(limited(49 * 86_400.0)),), "ab"),
    "500 once": Scenario((fails(UpstreamFailed("500")), answers), "aa"),
    "503 for ever": Scenario((fails(UpstreamFailed("503")),), "aab"),
    "reset before headers": Scenario((fails(UpstreamFailed("reset")), answers), "aa"),
    "silence": Scenario((stays_silent,), "ab"),
    "late first token": Scenario((begins_late,), "ab"),
    "cut at two thirds": Scenario((CUT,), "aab", "ab", ("stream_broken",)),
    "stall": Scenario((stalls,), "ab", "ab", ("upstream_timeout",)),
    "malformed chunk": Scenario(
        (fails(StreamBroken("malformed"), after=1),), "aab", "ab", ("stream_broken",)
    ),
    "no end marker": Scenario((has_no_end,), "aab", "ab", ("stream_broken",)),
    "context overflow": Scenario((fails(ContextTooLong()),), "ab"),
    "fallback refuses prefill": Scenario(
        (CUT,), "aab", "ab", ("stream_broken",), second=refuses_prefill
    ),
}


class Setting:
    """A router between two providers."""

    def __init__(self, breakers: Breakers, clock: JumpingClock) -> None:
        self.first = Planned()
        self.second = Planned()
        self.breakers = breakers
        self.clock = clock
        upstreams = {"a": self.first, "b": self.second}
        self.router = Router(upstreams, Held(), breakers, Free(), Listed(), chance=Chance())

    @property
    def asked(self) -> str:
        return "a" * self.first.calls + "b" * self.second.calls


@pytest.fixture
async def setting(connection: Connection, prefix: str, streams: Streams) -> AsyncIterator[Setting]:
    await streams(connection, prefix, "provider", "TASKS")
    clock = JumpingClock(connection, prefix)
    breakers = Breakers(Cells(connection, prefix, bucket="provider"), clock)
    async with breakers, asyncio.timeout(10):
        yield Setting(breakers, clock)


@ways
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_whole_answer_comes_of_a_provider_that_fails(
    name: str, way: Way, setting: Setting
) -> None:
    scenario = SCENARIOS[name]
    setting.first.plan.extend(scenario.first)
    setting.first.plan.popleft()
    setting.second.plan[0] = scenario.second
    timeouts = msgspec.structs.replace(ALONE if scenario.alone else ROUTE)
    route = msgspec.structs.replace(timeouts, timeouts=_quick_total(way))
    bill = Noted()
    heard = await way(setting.router, route, bill=bill)
    streamed = way is listen and scenario.streamed
    assert setting.asked == (scenario.streamed if streamed else scenario.asked)
    assert heard.text == WHOLE
    assert heard.restarts == (list(scenario.restarts) if way is listen else [])
    assert heard.answered is not None
    # Accounting names the model that has really answered.
    last = {"a": "a/one", "b": "b/two"}[setting.asked[-1]]
    assert heard.answered.target == last
    assert heard.answered.attempts[-1].target == last
    assert [bool(one.code) for one in heard.answered.attempts] == [
        *[True] * (len(setting.asked) - 1),
        False,
    ]
    # What broke after it had begun, or was not waited for, is paid as well.
    assert bill.paid[-1] == (last, USED)
    assert heard.answered.usage == sum((usage for _, usage in bill.paid), Usage())
    assert (setting.first.open, setting.second.open) == (0, 0)


def _quick_total(way: Way) -> object:
    """A whole answer has no first piece: all of it is waited for."""
    total = 0.3 if way is ask else ROUTE.timeouts.total
    return ROUTE.timeouts.model_copy(update={"total": total})


@ways
async def test_a_filtered_request_is_nobody_elses(way: Way, setting: Setting) -> None:
    setting.first.plan[0] = fails(ContentFiltered("violence"))
    with pytest.raises(ContentFiltered, match="violence"):
        await way(setting.router, ROUTE)
    assert setting.asked == "a"
    assert setting.breakers.state("a/one", "main") == "closed"


@ways
async def test_too_long_a_conversation_is_not_asked_of_a_smaller_model(
    way: Way, setting: Setting
) -> None:
    setting.first.plan[0] = fails(ContextTooLong())
    with pytest.raises(ContextTooLong):
        await way(
            setting.router, route_to("a/one", "b/two", windows={"b/two": 1000, "a/one": 1000})
        )
    with pytest.raises(ContextTooLong):
        await way(setting.router, route_to("a/one", "b/two", windows={"a/one": 1000}))
    assert setting.asked == "aa"


@ways
async def test_an_outage_of_a_minute_costs_a_fallback_and_few_calls(
    way: Way, setting: Setting
) -> None:
    """Twenty requests, three seconds apart: none fails, and few are paid for twice."""
    setting.first.plan[0] = fails(UpstreamFailed("503"))
    for _ in range(20):
        heard = await way(setting.router, ROUTE)
        assert heard.text == WHOLE
        setting.clock.ahead += 3.0
    # Five until it opens; then one probe after 5, 10 and 20 s.
    assert setting.first.calls <= 5 + 4
    assert setting.second.calls == 20
    setting.first.plan[0] = answers
    setting.clock.ahead += 60.0
    heard = await way(setting.router, ROUTE)
    assert heard.answered is not None
    assert heard.answered.target == "a/one"


@ways
async def test_an_outage_without_a_fallback_is_said_at_once_with_its_end(
    way: Way, setting: Setting
) -> None:
    setting.first.plan[0] = fails(UpstreamFailed("503"))
    errors: list[PepperError] = []
    for _ in range(20):
        with pytest.raises(NoTargetLeft) as caught:
            await way(setting.router, ALONE)
        errors.append(caught.value)
        setting.clock.ahead += 3.0
    assert setting.first.calls <= 5 + 5
    assert isinstance(errors[0].__cause__, UpstreamFailed)
    assert 0 < errors[5].context["retry_after"] <= 60
    assert "a/one" in errors[5].message
    setting.first.plan[0] = answers
    setting.clock.ahead += 60.0
    assert (await way(setting.router, ALONE)).text == WHOLE


async def test_what_a_broken_answer_was_paid_is_in_the_sum(setting: Setting) -> None:
    setting.first.plan[0] = fails(StreamBroken("cut"), after=2, usage=IN_PART)
    bill = Noted()
    heard = await listen(setting.router, ROUTE, bill=bill)
    assert heard.answered is not None
    came = msgspec.structs.replace(IN_PART, output_tokens=text_tokens("".join(WORDS[:2])))
    assert came.output_tokens > IN_PART.output_tokens
    assert heard.answered.usage == came + USED
    assert bill.paid == [("a/one", came), ("b/two", USED)]
