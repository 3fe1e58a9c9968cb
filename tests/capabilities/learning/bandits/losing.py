"""What a bandit loses against the best arm: for tests, and for the benchmark."""

import random

from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_schemas.learning_bandits import BanditOptions, Pull, Pulling


def regret(options: BanditOptions, seed: int, means: list[float], pulls: int) -> list[float]:
    """Returns what was lost by each pull."""
    chance = random.Random(seed)
    bandit = BanditLearner(options)
    arms = [str(n) for n in range(len(means))]
    lost = []
    for n in range(pulls):
        arm = bandit.predict(Pulling(arms=arms, seed=seed * pulls + n)).arm
        assert arm is not None
        value = means[int(arm)]
        bandit.learn(Pull(arm=arm, reward=float(chance.random() < value)))
        lost.append(max(means) - value)
    return lost
