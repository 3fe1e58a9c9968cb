"""Tries ways to learn on the examples of a task, and drops the worse half again and again.

This is successive halving (K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification
and Hyperparameter Optimization", 2016): all get the same few examples, the better half of them gets
as many again, until one is left. Each is judged by what it guessed before it learned.
"""

from collections.abc import Sequence

import msgspec

from pepperpy_capabilities.learning.meta.tasks import describe
from pepperpy_capabilities.learning.online.catalog import entry_of
from pepperpy_capabilities.learning.online.learner import OnlineLearner
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learning_choice import Episode
from pepperpy_schemas.learning_online import OnlineExample, OnlineOptions


class Raced(msgspec.Struct, frozen=True):
    """How a race ended.

    Attributes:
        winner: The way to learn that was left.
        learner: The learner that learned that way, from all examples that it was given.
        episodes: How each did, as a chooser learns from it, the winner last.
        learned: Examples that all learned from together: what the race cost.
    """

    winner: OnlineOptions
    learner: OnlineLearner
    episodes: list[Episode]
    learned: int


def race(examples: Sequence[OnlineExample], candidates: Sequence[OnlineOptions]) -> Raced:
    """Returns the way to learn that is left when the worse half was dropped again and again.

    The examples are divided into as many equal rounds as it takes; in each round those that are
    left learn from one more of them. A tie is won by the one that is named first.

    Args:
        examples: Examples of the task, in order.
        candidates: Ways to learn it; classifiers or regressors, not both.

    Raises:
        BadProblem: There are no candidates, or they do different things.
        BadExample: An example cannot be used.
    """
    tasks = {entry_of(one).task for one in candidates}
    if len(tasks) != 1 or not tasks <= {"classification", "regression"}:
        raise BadProblem(
            "a race is between classifiers or between regressors",
            context={"field": "candidates"},
        )
    task = describe(examples[:500])
    running = [(one, OnlineLearner(one)) for one in candidates]
    rounds = max(1, (len(running) - 1).bit_length())
    length = max(1, len(examples) // rounds)
    episodes: list[Episode] = []
    learned = 0
    for number in range(rounds):
        last = number == rounds - 1
        part = examples[number * length : None if last else (number + 1) * length]
        for _, learner in running:
            for example in part:
                learner.learn(example)
        learned += len(part) * len(running)
        running.sort(key=lambda one: -score_of(one[1]))
        kept = 1 if last else (len(running) + 1) // 2
        dropped, running = running[kept:], running[:kept]
        episodes += [Episode(task=task, options=a, score=score_of(b)) for a, b in reversed(dropped)]
    winner, learner = running[0]
    episodes.append(Episode(task=task, options=winner, score=score_of(learner)))
    return Raced(winner, learner, episodes, learned)


def score_of(learner: OnlineLearner) -> float:
    """Returns how well a learner does, 0 to 1: accuracy, or what it explains of the variance."""
    figures = learner.evaluate()[-1].figures
    return min(1.0, max(0.0, figures.get("accuracy", figures.get("r2", 0.0))))
