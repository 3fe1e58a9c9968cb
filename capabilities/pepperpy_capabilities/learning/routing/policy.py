"""Which choice a task goes to: by the default, or by what was learned, and how probably."""

import random
from collections.abc import Sequence
from datetime import datetime

from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_schemas.learned_routes import RoutePicked, RouterSetting
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import Pulling


def pick_default(
    setting: RouterSetting, names: Sequence[str], *, at: datetime, why: str
) -> RoutePicked:
    """Returns the default, without asking what was learned."""
    return RoutePicked(choice=_default(setting, names), mode=setting.mode, at=at, why=why)


def pick(
    setting: RouterSetting,
    names: Sequence[str],
    features: dict[str, Plain],
    *,
    bandit: BanditLearner,
    seed: int,
    at: datetime,
) -> RoutePicked:
    """Returns where a task goes, as the mode of the router says.

    Args:
        setting: The router's.
        names: The names of the choices.
        features: What is known of the task.
        bandit: What was learned.
        seed: What chance begins with, another one for each task.
        at: The time.

    Raises:
        BadExample: A feature is none that the bandit can reckon with.
    """
    if setting.mode == "off":
        return pick_default(setting, names, at=at, why="the router is off")
    default = _default(setting, names)
    guess = bandit.predict(Pulling(arms=list(names), features=features, seed=seed))
    suggested = guess.arm or default
    live = setting.mode == "live"
    base, share = (suggested, setting.exploration) if live else (default, setting.spread)
    chance = random.Random(f"route:{seed}")  # noqa: S311 - no secret
    choice, by_chance = base, chance.random() < share
    if by_chance:
        choice = chance.choice(list(names))

    def probability(chosen: str, share: float) -> float:
        return (1 - share) * (choice == chosen) + share / len(names)

    if by_chance:
        why = f"{choice} by chance, as {share:.3g} of the tasks"
    else:
        why = f"{choice} as what was learned says" if live else f"{choice} as the default"
    return RoutePicked(
        choice=choice,
        mode=setting.mode,
        at=at,
        probability=probability(base, share),
        suggested=suggested,
        learned=probability(suggested, setting.exploration),
        default=probability(default, setting.spread),
        why=f"{why}\n{guess.explanation}",
    )


def _default(setting: RouterSetting, names: Sequence[str]) -> str:
    return setting.default if setting.default in names else names[0]
