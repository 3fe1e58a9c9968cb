"""What bandits lose against the best arm: beside theory, a uniform policy, and after drift."""

import random
from statistics import mean

import pytest

from pepperpy_capabilities.learning.bandits import bounds
from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_schemas.learning_bandits import BanditOptions, Pull, Pulling
from tests.capabilities.learning.bandits.losing import regret

MEANS = [0.9, 0.8, 0.7, 0.6, 0.5]
PULLS = 3_000


def test_the_bounds_are_those_of_the_papers() -> None:
    # One of two coins: Δ ln T / kl(p, q), with kl(0.5, 0.75) = 0.5 ln(2/3) + 0.5 ln 2.
    assert bounds.lai_robbins([0.75, 0.5], 1_000) == pytest.approx(0.25 * 6.907755 / 0.143841, 1e-5)
    assert bounds.ucb1([0.75, 0.5], 1_000) == pytest.approx(8 * 6.907755 / 0.25 + 4.289868 * 0.25)
    assert bounds.uniform([0.75, 0.5], 1_000) == 125
    assert bounds.lai_robbins([1.0, 0.5], 10) == 0  # who fails once is not the best one


def test_thompson_sampling_loses_about_what_no_policy_can_avoid() -> None:
    lost = [sum(regret(BanditOptions(), seed, MEANS, PULLS)) for seed in range(8)]
    assert mean(lost) < 2.5 * bounds.lai_robbins(MEANS, PULLS)
    assert mean(lost) < bounds.ucb1(MEANS, PULLS) / 10
    assert max(lost) < bounds.uniform(MEANS, PULLS) / 5
    halves = [regret(BanditOptions(), seed, MEANS, PULLS) for seed in range(3)]
    assert all(sum(one[PULLS // 2 :]) < sum(one[: PULLS // 2]) for one in halves)


def test_linucb_loses_less_than_the_bound_of_upper_bounds() -> None:
    options = BanditOptions(method="linucb")
    lost = [sum(regret(options, seed, MEANS, 1_000)) for seed in range(3)]
    assert mean(lost) < bounds.ucb1(MEANS, 1_000) / 4
    assert mean(lost) < bounds.uniform(MEANS, 1_000) / 2


@pytest.mark.parametrize(
    "options",
    [
        BanditOptions(discount=0.98),
        BanditOptions(window=100),
        BanditOptions(method="linucb", discount=0.98),
        BanditOptions(rewards="number", discount=0.98),
    ],
)
def test_what_forgets_follows_a_drift_and_what_does_not_stays_behind(
    options: BanditOptions,
) -> None:
    def after_drift(options: BanditOptions) -> float:
        """The mean value of the arms chosen 200 to 300 rewards after the best became the worst."""
        chance = random.Random(4)
        bandit = BanditLearner(options)
        values = []
        for n in range(2_300):
            means = {"a": 0.9, "b": 0.6, "c": 0.3} if n < 2_000 else {"a": 0.3, "b": 0.6, "c": 0.9}
            arm = bandit.predict(Pulling(arms=["a", "b", "c"], seed=n)).arm
            assert arm is not None
            bandit.learn(Pull(arm=arm, reward=float(chance.random() < means[arm])))
            values.append(means[arm])
        return mean(values[2_200:])

    assert after_drift(options) > 0.75
    assert after_drift(BanditOptions()) < 0.65
