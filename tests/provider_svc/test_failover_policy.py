import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_provider_svc.routing.policy import (
    LONGEST_COOLING,
    LONGEST_WAIT,
    MOST_CALLS,
    RULES,
    CoolFor,
    Count,
    Decision,
    Effect,
    Fail,
    Next,
    NextKey,
    NextLargerWindow,
    Nothing,
    OpenFor,
    Retry,
    Situation,
    backoff,
    decide,
    effect_of,
    retry_after,
)
from pepperpy_schemas.errors import (
    BadConfig,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    KeyRefused,
    PepperError,
    RateLimited,
    RequestRefused,
    StreamBroken,
    UnknownModel,
    UpstreamFailed,
    UpstreamTimeout,
)

LIMITED_5S = RateLimited(context={"retry_after": 5})
ROWS: list[tuple[str, Situation, Decision]] = [
    ("429 with a time, another target", Situation(error=LIMITED_5S, other=True), Next()),
    ("429 with a time, another key", Situation(error=LIMITED_5S, other_key=True), NextKey()),
    ("429 with a time, alone", Situation(error=LIMITED_5S, admitted=False), Retry(5.25)),
    ("429 with a time, again and again", Situation(error=LIMITED_5S, tries=2), Fail()),
    ("429 with a time beyond the deadline", Situation(error=LIMITED_5S, left=5.1), Fail()),
    (
        "429 with too long a time",
        Situation(error=RateLimited(context={"retry_after": 61})),
        Fail(),
    ),
    ("429 without, first", Situation(error=RateLimited(), other=True), Retry(0.25)),
    ("429 without, second", Situation(error=RateLimited(), tries=2, other=True), Next()),
    (
        "429 without, second, another key",
        Situation(error=RateLimited(), tries=2, other=True, other_key=True),
        NextKey(),
    ),
    ("500, first", Situation(error=UpstreamFailed(), other=True), Retry(0.25)),
    ("500, breaker opened", Situation(error=UpstreamFailed(), admitted=False, other=True), Next()),
    ("500, second", Situation(error=UpstreamFailed(), tries=2, other=True), Next()),
    ("500, second, alone", Situation(error=UpstreamFailed(), tries=2, other_key=True), Fail()),
    ("500, no time to wait", Situation(error=UpstreamFailed(), other=True, left=0.2), Next()),
    ("reset, first", Situation(error=StreamBroken(), other=True), Retry(0.25)),
    ("time-out", Situation(error=UpstreamTimeout(), other=True), Next()),
    ("time-out, alone", Situation(error=UpstreamTimeout()), Fail()),
    ("broken after a piece", Situation(error=StreamBroken(), other=True, started=True), Next()),
    ("broken after a piece, alone", Situation(error=StreamBroken(), started=True), Fail()),
    (
        "429 after a piece, another key",
        Situation(error=LIMITED_5S, other_key=True, started=True),
        Fail(),
    ),
    (
        "broken after a piece, restart forbidden",
        Situation(error=StreamBroken(), other=True, started=True, no_restart=True),
        Fail(),
    ),
    (
        "broken after a whole tool call",
        Situation(error=StreamBroken(), other=True, started=True, tool_called=True),
        Fail(),
    ),
    (
        "broken before a piece, restart forbidden",
        Situation(error=UpstreamTimeout(), other=True, no_restart=True),
        Next(),
    ),
    ("too long, larger one", Situation(error=ContextTooLong(), larger=True), NextLargerWindow()),
    ("too long, same size", Situation(error=ContextTooLong(), other=True), Fail()),
    ("filtered", Situation(error=ContentFiltered(), other=True, other_key=True), Fail()),
    ("400", Situation(error=RequestRefused(), other=True, other_key=True), Fail()),
    ("401, another key", Situation(error=KeyRefused(), other=True, other_key=True), NextKey()),
    ("401, another target", Situation(error=KeyRefused(), other=True), Next()),
    ("401, alone", Situation(error=KeyRefused()), Fail()),
    ("404, another target", Situation(error=UnknownModel(), other=True), Next()),
    ("no time left", Situation(error=UpstreamFailed(), other=True, left=0.0), Fail()),
    ("the caller's deadline", Situation(error=DeadlineExceeded(), other=True), Fail()),
    ("what none should raise", Situation(error=BadConfig(), other=True), Next()),
]


@pytest.mark.parametrize(("at", "wanted"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_failure_leads_to_what_the_table_says(at: Situation, wanted: Decision) -> None:
    assert decide(at, lambda: 0.5) == wanted


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (LIMITED_5S, CoolFor(5)),
        (RateLimited(context={"retry_after": 49 * 86_400}), CoolFor(LONGEST_COOLING)),
        (RateLimited(context={"retry_after": -1}), Count()),
        (RateLimited(context={"retry_after": math.nan}), Count()),
        (RateLimited(context={"retry_after": "5"}), Count()),
        (RateLimited(), Count()),
        (UpstreamFailed(), Count()),
        (UpstreamTimeout(), Count()),
        (StreamBroken(), Count()),
        (ContextTooLong(), Nothing()),
        (ContentFiltered(), Nothing()),
        (RequestRefused(), Nothing()),
        (DeadlineExceeded(), Nothing()),
        (KeyRefused(), OpenFor(60)),
        (UnknownModel(), OpenFor(60)),
    ],
    ids=str,
)
def test_a_failure_means_for_the_breaker_what_the_table_says(
    error: PepperError, wanted: Effect
) -> None:
    assert effect_of(error) == wanted


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    kind = draw(st.sampled_from(list(RULES)))
    wait = draw(st.none() | st.floats(0, 1e7))
    flags = {
        name: draw(st.booleans())
        for name in (
            "admitted",
            "other_key",
            "other",
            "larger",
            "started",
            "tool_called",
            "no_restart",
        )
    }
    return Situation(
        error=kind(context={} if wait is None else {"retry_after": wait}),
        tries=draw(st.integers(1, 5)),
        left=draw(st.floats(-1, 1e4) | st.just(math.inf)),
        **flags,
    )


def decided(at: Situation, seed: int) -> Decision:
    return decide(at, random.Random(seed).random)


@given(situations(), st.integers())
def test_nobody_waits_beyond_the_deadline_or_a_minute(at: Situation, seed: int) -> None:
    decision = decided(at, seed)
    if isinstance(decision, Retry):
        assert 0 <= decision.after < at.left
        assert decision.after <= LONGEST_WAIT * 1.1
        assert at.tries < MOST_CALLS


@given(situations(), st.integers())
def test_what_was_seen_is_never_asked_of_the_same_target(at: Situation, seed: int) -> None:
    decision = decided(at, seed)
    if at.started:
        assert not isinstance(decision, Retry | NextKey)
        if at.tool_called or at.no_restart:
            assert decision == Fail()


@given(situations(), st.integers())
def test_only_those_are_asked_who_are_there(at: Situation, seed: int) -> None:
    decision = decided(at, seed)
    assert at.other or not isinstance(decision, Next)
    assert at.other_key or not isinstance(decision, NextKey)
    assert at.larger or not isinstance(decision, NextLargerWindow)
    assert at.left > 0 or decision == Fail()


@given(situations(), st.integers())
def test_a_wait_that_the_provider_asks_for_is_not_cut_short(at: Situation, seed: int) -> None:
    decision = decided(at, seed)
    wanted = retry_after(at.error)
    if isinstance(at.error, RateLimited) and isinstance(decision, Retry) and wanted is not None:
        assert decision.after >= wanted
        assert not at.other


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_back_off_is_anything_up_to_a_bound(tries: int, chance: float) -> None:
    assert 0 <= backoff(tries, lambda: chance) <= min(8.0, 0.5 * 2 ** (tries - 1))
