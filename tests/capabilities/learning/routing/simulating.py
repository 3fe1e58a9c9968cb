"""The simulated fleet routed without a bus: for tests of many seeds, and for the benchmark."""

import random
from datetime import UTC, datetime
from typing import Final

from pepperpy_capabilities.learning.routing.learned import Router
from pepperpy_capabilities.learning.routing.policy import pick
from pepperpy_capabilities.learning.routing.rewards import Ended
from pepperpy_schemas.learned_routes import RoutePicked, RouterSetting
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.states import TaskState
from tests.capabilities.learning.fleet import AFTER, BEFORE, MODELS, Chances, Gained, tasks

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def routed(
    router: Router, setting: RouterSetting, kind: str, seed: int, chances: Chances
) -> RoutePicked:
    """Routes one task of the simulated fleet, and learns from it."""
    features: dict[str, Plain] = {"kind": kind}
    bandit = router.bandit(setting)
    picked = pick(setting, MODELS, features, bandit=bandit, seed=seed, at=NOW)
    good = random.Random(f"outcome {seed}").random() < chances[kind][picked.choice]
    ended = Ended(state=TaskState.COMPLETED if good else TaskState.FAILED, seconds=1.0)
    router.learn(setting, picked, features, ended, now=NOW)
    return picked


def simulated(setting: RouterSetting, seed: int, count: int = 1_000) -> Gained:
    """Routes tasks of the simulated fleet, with a drift after half of them."""
    router, got, best = Router(), [], []
    for n, kind in enumerate(tasks(seed, 2 * count)):
        chances = BEFORE if n < count else AFTER
        picked = routed(router, setting, kind, seed * 100_000 + n, chances)
        got.append(chances[kind][picked.choice])
        best.append(max(chances[kind].values()))
    return Gained(got, best)
