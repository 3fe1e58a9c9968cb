"""Who decides in each mode, how probably, and what a task was worth: all of it pure."""

from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.learning.routing.learned import Router
from pepperpy_capabilities.learning.routing.policy import pick
from pepperpy_capabilities.learning.routing.rewards import (
    Ended,
    check_weights,
    parts_of,
    reward_of,
)
from pepperpy_schemas.errors import BadExample, BadProblem
from pepperpy_schemas.learned_routes import (
    RewardWeights,
    RouteAnswer,
    RouterSetting,
)
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import BanditOptions, Pulling
from pepperpy_schemas.states import TaskState
from tests.capabilities.learning.fleet import BEFORE, KINDS, MODELS, tasks
from tests.capabilities.learning.routing.simulating import NOW, routed, simulated

DONE, FAILED = TaskState.COMPLETED, TaskState.FAILED


LIVE = RouterSetting(mode="live")


def test_a_fleet_is_routed_nearly_as_well_as_by_who_knows_it_and_after_a_drift_again() -> None:
    gained = [simulated(LIVE, seed) for seed in range(20)]
    assert min(one.share(0, 1_000) for one in gained) >= 0.9
    recoveries = [one.recovery(1_000) for one in gained]
    assert all(one is not None and one <= 500 for one in recoveries), recoveries


def test_a_fleet_is_routed_as_well_by_linucb() -> None:
    setting = RouterSetting(
        mode="live", bandit=BanditOptions(method="linucb", discount=0.99, width=0.5)
    )
    gained = [simulated(setting, seed) for seed in range(3)]
    assert min(one.share(0, 1_000) for one in gained) >= 0.9
    assert all((one.recovery(1_000) or 10_000) <= 500 for one in gained)


def test_what_neither_forgets_nor_explores_stays_where_the_drift_found_it() -> None:
    setting = RouterSetting(mode="live", exploration=0.0, bandit=BanditOptions())
    assert any((simulated(setting, seed).recovery(1_000) or 10_000) > 500 for seed in range(5))


def test_off_is_the_default_at_once() -> None:
    setting = RouterSetting(mode="off", default="large", exploration=1.0, spread=1.0)
    router = Router()
    bandit = router.bandit(setting)
    for seed in range(50):
        picked = pick(setting, MODELS, {"size": 3.5}, bandit=bandit, seed=seed, at=NOW)
        assert (picked.choice, picked.probability, picked.suggested) == ("large", 1.0, "")


def test_a_default_that_is_none_of_the_choices_is_the_first_one() -> None:
    for default in ("", "other"):
        setting = RouterSetting(mode="shadow", default=default)
        picked = pick(setting, MODELS, {}, bandit=Router().bandit(setting), seed=1, at=NOW)
        assert picked.choice == "small"


def test_in_shadow_the_default_decides_and_what_was_learned_is_noted() -> None:
    router, setting = Router(), RouterSetting(mode="shadow", default="medium")
    picks = [routed(router, setting, "code", seed, BEFORE) for seed in range(100)]
    assert {one.choice for one in picks} == {"medium"}
    assert {one.probability for one in picks} == {1.0}
    assert {one.suggested for one in picks} == set(MODELS)
    assert sum(one.suggested for one in router.figures.choices.values()) == 100
    assert router.figures.choices["medium"].chosen == 100


@pytest.mark.parametrize(("mode", "share"), [("live", 0.3), ("shadow", 0.6)])
def test_each_choice_is_made_as_often_as_its_probability_says(mode: str, share: float) -> None:
    setting = RouterSetting(
        mode="live" if mode == "live" else "shadow", exploration=share, spread=share
    )
    router = Router()
    for seed in range(200):
        routed(router, msgspec.structs.replace(setting, mode="live"), "code", seed, BEFORE)
    bandit = router.bandit(setting)
    counts: Counter[bool] = Counter()
    for seed in range(3_000):
        picked = pick(setting, MODELS, {"kind": "code"}, bandit=bandit, seed=seed, at=NOW)
        base = picked.suggested if mode == "live" else "small"
        counts[picked.choice == base] += 1
        expected = share / 3 + (1 - share) * (picked.choice == base)
        assert picked.probability == pytest.approx(expected)
    assert counts[True] / 3_000 == pytest.approx(1 - share + share / 3, abs=0.03)


def test_what_the_learned_policy_is_worth_is_known_before_it_goes_live() -> None:
    """By the tasks that a default with some spread decided, for all of which the truth is known."""
    setting = RouterSetting(
        mode="shadow", spread=0.5, exploration=0.1, bandit=BanditOptions(discount=1.0)
    )
    router, truth = Router(), []
    for n, kind in enumerate(tasks(3, 3_000)):
        picked = routed(router, setting, kind, n, BEFORE)
        mean = sum(BEFORE[kind].values()) / 3
        truth.append(0.9 * BEFORE[kind][picked.suggested] + 0.1 * mean)
    learned, default = router.figures.learned, router.figures.default
    assert learned.value is not None
    assert default.value is not None
    assert learned.value == pytest.approx(sum(truth) / len(truth), abs=0.05)
    expected = sum(0.5 * BEFORE[k]["small"] + 0.5 * sum(BEFORE[k].values()) / 3 for k in KINDS) / 3
    assert default.value == pytest.approx(expected, abs=0.05)
    assert learned.value > default.value
    assert default.tasks == pytest.approx(3_000)
    assert 300 < learned.tasks < 3_000


# --- rewards ----------------------------------------------------------------------------------


def test_a_reward_is_the_weighted_mean_of_what_is_known() -> None:
    weights = RewardWeights(success=2, latency=1, cost=1, rating=4, seconds=10, usd=0.02)
    parts = parts_of(weights, Ended(state=DONE, seconds=10, usd=0.06))
    assert parts == {"success": 1.0, "latency": 0.5, "cost": 0.25}
    assert reward_of(weights, parts) == pytest.approx((2 + 0.5 + 0.25) / 4)
    assert reward_of(weights, {**parts, "rating": 0.0}) == pytest.approx(2.75 / 8)
    without = parts_of(weights, Ended(state=DONE, seconds=10))
    assert reward_of(weights, without) == pytest.approx(2.5 / 3)


def test_a_failure_is_neither_fast_nor_cheap() -> None:
    weights = RewardWeights(latency=1, cost=1)
    assert reward_of(weights, parts_of(weights, Ended(state=FAILED, seconds=0, usd=0))) == 0


def test_what_is_no_amount_is_left_out_and_a_canceled_task_says_nothing() -> None:
    weights = RewardWeights()
    for nothing in (float("nan"), float("inf"), -1.0):
        parts = parts_of(weights, Ended(state=DONE, seconds=nothing, usd=nothing))
        assert parts == {"success": 1.0}
    assert parts_of(weights, Ended(state=TaskState.CANCELED, seconds=1)) == {}
    with pytest.raises(BadProblem, match="weighs 0"):
        check_weights(RewardWeights(success=0))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(0, 1_000)] * 4),
    st.sampled_from([DONE, FAILED]),
    st.floats(0, 1e9),
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 1),
)
def test_a_reward_is_a_share_whatever_it_is_made_of(
    weights: tuple[float, float, float, float],
    state: TaskState,
    seconds: float,
    usd: float | None,
    rating: float | None,
) -> None:
    made = RewardWeights(
        **dict(zip(("success", "latency", "cost", "rating"), weights, strict=True))
    )
    parts = parts_of(made, Ended(state=state, seconds=seconds, usd=usd))
    if rating is not None:
        parts["rating"] = rating
    reward = reward_of(made, parts)
    assert reward is None or 0 <= reward <= 1


# --- ratings ----------------------------------------------------------------------------------


def answered(router: Router, setting: RouterSetting, seed: int, choice: str = "") -> RouteAnswer:
    """What a routed task answers."""
    features: dict[str, Plain] = {"kind": "code"}
    picked = pick(setting, MODELS, features, bandit=router.bandit(setting), seed=seed, at=NOW)
    if choice:
        picked = msgspec.structs.replace(picked, choice=choice)
    learned = router.learn(setting, picked, features, Ended(state=DONE, seconds=1), now=NOW)
    return RouteAnswer(router="r", features=features, picked=picked, learned=learned)


RATED = RouterSetting(mode="live", reward=RewardWeights(success=1, rating=3))


def value_of(router: Router, choice: str) -> float:
    guess = router.bandit(RATED).predict(Pulling(arms=[choice], features={"kind": "code"}))
    return guess.arms[0].value


def test_a_late_rating_takes_the_place_of_the_reward_and_the_last_one_counts() -> None:
    router = Router()
    answers = [answered(router, RATED, seed, "small") for seed in range(20)]
    before = value_of(router, "small")
    first = router.rate(RATED, "t3", answers[3], 0.0)
    assert (first.was, first.reward) == (1.0, 0.25)
    lower = value_of(router, "small")
    assert lower < before
    again = router.rate(RATED, "t3", answers[3], 1.0)
    assert (again.was, again.reward) == (0.25, 1.0)
    assert value_of(router, "small") == pytest.approx(before)
    figures = router.figures.choices["small"]
    assert (figures.ratings, figures.rating) == (1, 1.0)
    assert figures.reward == pytest.approx(20.0)
    assert router.bandit(RATED).learned == 20


def test_a_rating_may_be_all_of_the_reward() -> None:
    setting = RouterSetting(mode="live", reward=RewardWeights(success=0, rating=1))
    router = Router()
    answer = answered(router, setting, 1, "small")
    assert answer.learned.reward is None
    assert "no part" in answer.learned.why
    assert router.rate(setting, "t", answer, 0.5).reward == 0.5
    assert router.rate(setting, "t", answer, 0.75).was == 0.5
    assert router.bandit(setting).learned == 1
    assert router.figures.choices["small"].reward == pytest.approx(0.75)
    assert router.figures.learned.weight > 0


def test_a_rating_of_what_was_learned_before_a_reset_changes_nothing() -> None:
    answer = answered(Router(), RATED, 1)
    other = Router()
    other.learn(RATED, answer.picked, {}, Ended(state=DONE, seconds=1), now=datetime.now(UTC))
    before = other.save()
    rated = other.rate(RATED, "t", answer, 0.0)
    assert rated.reward is None
    assert "reset" in rated.why
    assert other.save() == before


def test_a_router_is_saved_and_goes_on_and_what_is_no_state_is_refused() -> None:
    router = Router()
    answer = answered(router, RATED, 1)
    router.rate(RATED, "t", answer, 0.5)
    again = Router(router.save())
    assert again.save() == router.save()
    assert answered(again, RATED, 2) == answered(router, RATED, 2)
    for state in (b"", b"{}", b"no state", msgspec.msgpack.encode({"kind": "pepperpy-bandit"})):
        with pytest.raises(BadProblem):
            Router(state)


def test_an_ended_task_that_cannot_be_learned_from_changes_nothing() -> None:
    router = Router()
    picked = answered(router, RATED, 1).picked
    before = router.save()
    with pytest.raises(BadExample):
        router.learn(RATED, picked, {"size": 2.5}, Ended(state=DONE, seconds=1), now=NOW)
    assert router.save() == before
