"""Choosing how to learn: by a race on the examples at hand, and by what was learned before."""

from typing import Any, ClassVar

import pytest

from pepperpy_capabilities.conformance import LearnerConformance
from pepperpy_capabilities.learning.meta.chooser import MAX_EPISODES, Chooser
from pepperpy_capabilities.learning.meta.racing import race, score_of
from pepperpy_capabilities.learning.meta.tasks import describe
from pepperpy_capabilities.learning.online.learner import OnlineLearner
from pepperpy_schemas.errors import BadExample, BadProblem
from pepperpy_schemas.learning_choice import ChoiceOptions, Episode, NewTask
from pepperpy_schemas.learning_online import OnlineExample, OnlineOptions
from tests.capabilities.learning.river_data import datasets, examples, synth

LOGISTIC = OnlineOptions(learner="logistic")
CANDIDATES = [
    LOGISTIC,
    OnlineOptions(learner="logistic", parameters={"rate": 1e-6}),
    OnlineOptions(learner="naive-bayes"),
    OnlineOptions(learner="nearest", parameters={"window_size": 100}),
    OnlineOptions(learner="hoeffding-tree", parameters={"grace_period": 50}),
]


def alone(told: list[OnlineExample], options: OnlineOptions) -> float:
    learner = OnlineLearner(options)
    for one in told:
        learner.learn(one)
    return score_of(learner)


@pytest.mark.parametrize("dataset", [datasets.Phishing, datasets.Bananas])
def test_a_race_finds_one_of_the_best_for_a_part_of_the_work(dataset: Any) -> None:
    told = examples(dataset(), 1000)
    raced = race(told, CANDIDATES)
    scores = {one.learner + str(one.parameters): alone(told, one) for one in CANDIDATES}
    best = max(scores.values())
    assert scores[raced.winner.learner + str(raced.winner.parameters)] >= best - 0.02
    assert raced.learned < 0.7 * len(told) * len(CANDIDATES)
    assert raced.learner.learned == len(told)
    assert len(raced.episodes) == len(CANDIDATES)


def straight(seed: int) -> list[OnlineExample]:
    """Points that a straight line divides."""
    return examples(synth.SEA(variant=seed % 4, seed=seed), 400)


def round_about(seed: int) -> list[OnlineExample]:
    """Points inside and outside an ellipse, which no straight line divides."""
    told = examples(synth.Sine(classification_function=2, seed=seed, balance_classes=True), 400)
    return [OnlineExample(one.features, bool(one.target)) for one in told]


def test_what_was_best_at_tasks_like_it_is_chosen() -> None:
    ways = [LOGISTIC, OnlineOptions(learner="nearest", parameters={"window_size": 100})]
    chooser = Chooser(ChoiceOptions(curiosity=0.02))
    found: dict[str, int] = {}
    for kind in (straight, round_about):
        for seed in range(3):
            told = kind(seed)
            for one in ways:
                episode = Episode(task=describe(told), options=one, score=alone(told, one))
                chooser.learn(episode)
        told = kind(9)
        best = max(ways, key=lambda one: alone(told, one))
        chosen = chooser.predict(NewTask(task=describe(told))).options
        found[kind.__name__] = chosen == best
    assert found == {"straight": True, "round_about": True}


def test_what_was_never_tried_is_tried_when_it_is_curious() -> None:
    task = {"features": 1.0}
    new = OnlineOptions(learner="softmax")
    for curiosity, expected in ((0.0, LOGISTIC), (1.0, new)):
        chooser = Chooser(ChoiceOptions(curiosity=curiosity))
        for n in range(10):
            chooser.learn(Episode(task=task, options=LOGISTIC, score=0.8 + n % 2 / 10))
        asked = NewTask(task=task, candidates=[LOGISTIC, new])
        assert chooser.predict(asked).options == expected


def test_episodes_are_bounded() -> None:
    chooser = Chooser()
    for n in range(MAX_EPISODES + 5):
        chooser._saved.episodes.append(Episode(task={"n": n}, options=LOGISTIC, score=0.5))
    chooser.learn(Episode(task={"n": -1.0}, options=LOGISTIC, score=0.5))
    assert len(chooser._saved.episodes) == MAX_EPISODES


def test_a_race_of_nothing_or_of_different_things_is_refused() -> None:
    told = straight(1)
    for candidates in ([], [LOGISTIC, OnlineOptions(learner="linear")]):
        with pytest.raises(BadProblem, match="a race is between"):
            race(told, candidates)
    with pytest.raises(BadExample):
        race([], [LOGISTIC])


class TestChooser(LearnerConformance):
    examples: ClassVar[list[Any]] = [
        Episode(task={"a": float(n % 3)}, options=CANDIDATES[n % 5], score=n % 7 / 7)
        for n in range(40)
    ]
    asked: ClassVar[Any] = NewTask(task={"a": 1.0}, candidates=CANDIDATES)
    unusable: ClassVar[list[Any]] = [
        Episode(task={"a": float("nan")}, options=LOGISTIC, score=0.5),
        Episode(task={"a": 1.0}, options=LOGISTIC, score=float("nan")),
        Episode(task={"a": 1.0}, options=LOGISTIC, score=7.0),
        Episode(task={"a": 1.0}, options=OnlineOptions(learner="oracle"), score=0.5),
        Episode(task={f"a{n}": 1.0 for n in range(100)}, options=LOGISTIC, score=0.5),
    ]

    def make(self) -> Chooser:
        return Chooser()
