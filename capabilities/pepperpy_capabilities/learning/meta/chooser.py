"""Chooses how to learn a task by how well that went at tasks like it.

A way to learn is expected to do as well as it did at other tasks, each of which counts by how like
it is: exp(-d²/2), where d is the distance of their features in units of `ChoiceOptions.width`. What
was tried seldom at such tasks gets a bonus, so that it is tried: this is the upper confidence bound
of P. Auer, N. Cesa-Bianchi and P. Fischer, "Finite-time Analysis of the Multiarmed Bandit Problem",
2002, with weights in place of counts.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from pepperpy_capabilities.learning.online.catalog import entry_of, make_model
from pepperpy_schemas.errors import BadExample, BadProblem, TooBig
from pepperpy_schemas.learning_choice import (
    ChoiceOptions,
    ChosenOptions,
    Episode,
    NewTask,
    Ranked,
)
from pepperpy_schemas.learning_online import OnlineOptions
from pepperpy_schemas.problems import Measured

MAX_EPISODES: Final = 2_000
"""Most episodes that are remembered; the oldest is forgotten first."""
MAX_FEATURES: Final = 50
"""Most features of a task."""
MAX_WAYS: Final = 200
"""Most ways to learn that are known."""
_PRIOR = 1.0
"""The weight of the average of all episodes, beside those of the episodes of one way."""
_MOMENTS = 128


class SavedChooser(msgspec.Struct, kw_only=True):
    """A chooser as it is saved.

    Attributes:
        kind: What it is, so that nothing else is taken for it.
        options: The chooser's.
        episodes: What it remembers, the oldest first.
        learned: How many episodes there were.
        total: The sum of their scores.
        moments: The figures at moments before.
        distance: Episodes from one moment to the next.
    """

    kind: Literal["pepperpy-choice"] = "pepperpy-choice"
    options: ChoiceOptions
    episodes: list[Episode] = []
    learned: int = 0
    total: float = 0.0
    moments: list[Measured] = []
    distance: int = 1


class Chooser:
    """Learns from episodes which way to learn is good for which tasks.

    Args:
        options: How it chooses.

    Attributes:
        options: The same.

    Example:
        ```python
        chooser = Chooser()
        chooser.learn(Episode(task=describe(examples), options=OnlineOptions(), score=0.9))
        chooser.predict(NewTask(task=describe(others))).options
        ```
    """

    name = "choice"
    example = Episode
    asked = NewTask
    guess = ChosenOptions
    options_type = ChoiceOptions

    def __init__(self, options: ChoiceOptions | None = None) -> None:
        self.options = options or ChoiceOptions()
        self.reset()

    def reset(self) -> None:
        """Forgets all episodes, and keeps its options."""
        self._saved = SavedChooser(options=self.options)

    @property
    def learned(self) -> int:
        """How many episodes it has learned from."""
        return self._saved.learned

    def learn(self, example: Episode) -> None:
        """Remembers an episode.

        Raises:
            BadExample: A feature or the score is no number.
            BadProblem: There is no such learner.
            TooBig: There are more features, or more ways to learn, than there may be.
        """
        _check_task(example.task)
        if not 0 <= example.score <= 1:
            raise BadExample(
                f"the score is {example.score}: it is between 0 and 1", context={"field": "score"}
            )
        make_model(example.options)
        saved = self._saved
        ways = {_key(one.options) for one in saved.episodes}
        if _key(example.options) not in ways and len(ways) >= MAX_WAYS:
            raise TooBig(f"there are {MAX_WAYS} ways to learn already", context={"limit": MAX_WAYS})
        saved.episodes = [*saved.episodes, example][-MAX_EPISODES:]
        saved.learned += 1
        saved.total += example.score
        if saved.learned % saved.distance == 0:
            saved.moments.append(Measured(saved.learned, self._figures()))
        if len(saved.moments) > _MOMENTS:
            saved.moments = saved.moments[1::2]
            saved.distance *= 2

    def predict(self, asked: NewTask) -> ChosenOptions:
        """Returns the way to learn that promises most for a task, and all others.

        Raises:
            BadExample: A feature is no number, or there is nothing to choose from.
            BadProblem: A candidate is no learner that there is.
        """
        _check_task(asked.task)
        for one in asked.candidates:
            make_model(one)
        known = {_key(one): one for one in asked.candidates} or {
            _key(one.options): one.options for one in self._saved.episodes
        }
        if not known:
            raise BadExample(
                "there is nothing to choose from",
                hint="name candidates, or let it learn from episodes first",
                context={"field": "candidates"},
            )
        ranked = self._ranked(asked.task, known)
        chosen = ranked[0]
        lines = [
            f"{chosen.options.learner} promises {chosen.bound:.3f} for a task like this: "
            f"{chosen.expected:.3f} expected, {chosen.bound - chosen.expected:.3f} for doubt",
            *(
                f"  {one.options.learner} {_parameters(one.options)}: {one.expected:.3f} expected "
                f"from {one.weight:.2f} tasks like it, at most {one.bound:.3f}"
                for one in ranked
            ),
        ]
        return ChosenOptions(options=chosen.options, ranked=ranked, explanation="\n".join(lines))

    def _ranked(self, task: dict[str, float], known: dict[str, OnlineOptions]) -> list[Ranked]:
        episodes = self._saved.episodes
        scales = _scales([one.task for one in episodes] + [task])
        weights = [self._likeness(task, one.task, scales) for one in episodes]
        mean = sum(one.score for one in episodes) / len(episodes) if episodes else 0.5
        total = sum(weights)
        ranked = []
        for key, options in known.items():
            own = [
                (weight, one.score)
                for weight, one in zip(weights, episodes, strict=True)
                if _key(one.options) == key
            ]
            weight = sum(each for each, _ in own)
            expected = (sum(a * b for a, b in own) + _PRIOR * mean) / (weight + _PRIOR)
            doubt = math.sqrt(2 * math.log1p(total) / (weight + _PRIOR))
            bound = expected + self.options.curiosity * doubt
            ranked.append(Ranked(options, expected, weight, bound))
        return sorted(ranked, key=lambda one: -one.bound)

    def _likeness(
        self, one: dict[str, float], other: dict[str, float], scales: dict[str, float]
    ) -> float:
        distance = sum(
            ((one.get(name, 0.0) - other.get(name, 0.0)) / scale) ** 2
            for name, scale in scales.items()
        )
        return math.exp(-distance / (2 * self.options.width**2))

    def _figures(self) -> dict[str, float]:
        saved = self._saved
        return {"score": saved.total / saved.learned} if saved.learned else {}

    def evaluate(self) -> Sequence[Measured]:
        """Returns the average score of all episodes over time."""
        saved = self._saved
        if saved.moments and saved.moments[-1].examples == saved.learned:
            return list(saved.moments)
        return [*saved.moments, Measured(saved.learned, self._figures())]

    def save(self) -> bytes:
        """Returns the whole state."""
        return msgspec.msgpack.encode(self._saved)

    def load(self, state: bytes) -> None:
        """Takes over a state, with the options of who saved it.

        Raises:
            BadProblem: It is none.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=SavedChooser)
            for one in saved.episodes:
                _check_task(one.task)
                entry_of(one.options)
        except (msgspec.DecodeError, RecursionError, BadExample, TooBig) as error:
            raise BadProblem(f"this is no saved chooser: {error}") from None
        if saved.distance < 1:
            raise BadProblem("this is no saved chooser: its moments have no distance")
        self.options, self._saved = saved.options, saved

    def begin_with(self, other: "Chooser") -> None:
        """Takes over the episodes of another one, and counts its own from now on (warm start)."""
        self._saved = SavedChooser(options=self.options, episodes=list(other._saved.episodes))


def _check_task(task: dict[str, float]) -> None:
    if len(task) > MAX_FEATURES:
        raise TooBig(
            f"a task has {len(task)} features, more than {MAX_FEATURES}",
            context={"field": "task", "limit": MAX_FEATURES},
        )
    for name, value in task.items():
        if not abs(value) <= 1e30:
            raise BadExample(f"{name:.80} is {value}", context={"field": f"task.{name:.80}"})


def _scales(tasks: Sequence[dict[str, float]]) -> dict[str, float]:
    """The standard deviation of each feature over all tasks; 1 where there is none."""
    scales = {}
    for name in {name for task in tasks for name in task}:
        values = [task.get(name, 0.0) for task in tasks]
        mean = sum(values) / len(values)
        scales[name] = math.sqrt(sum((one - mean) ** 2 for one in values) / len(values)) or 1.0
    return scales


def _key(options: OnlineOptions) -> str:
    return msgspec.json.encode(options, order="sorted").decode()


def _parameters(options: OnlineOptions) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.parameters.items()) or "as it is"
