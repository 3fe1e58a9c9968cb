"""Learns online, by a model of River: classes, numbers, clusters, anomalies."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from pepperpy_bus.installing import need
from pepperpy_capabilities.learning.online import explaining
from pepperpy_capabilities.learning.online.catalog import entry_of, make_model
from pepperpy_capabilities.learning.online.features import (
    Seen,
    as_numbers,
    check_no_label,
    check_number,
    is_number,
)
from pepperpy_capabilities.learning.online.progress import Progress
from pepperpy_capabilities.learning.online.reading import Unreadable, read_parts
from pepperpy_capabilities.learning.online.saved import Saved, read_saved, river_version
from pepperpy_capabilities.learning.online.watching import Watch
from pepperpy_capabilities.learning.online.writing import write_parts
from pepperpy_schemas.errors import BadExample, BadProblem, PepperError
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_online import (
    OnlineExample,
    OnlineGuess,
    OnlineOptions,
    OnlineQuestion,
)
from pepperpy_schemas.problems import Measured

NEWS = 100
"""Most news that are kept until somebody takes them."""


class OnlineLearner:
    """Learns from one example after the other, and notices drift.

    Args:
        options: Which learner, with which parameters.

    Attributes:
        options: The same.
        news: What happened to it while it learned, since somebody took the news.

    Raises:
        BadConfig: River is not installed.
        BadProblem: There is no such learner, or it has no such parameters.

    Example:
        ```python
        learner = OnlineLearner(OnlineOptions(learner="hoeffding-tree"))
        learner.learn(OnlineExample({"size": 3, "color": "red"}, "apple"))
        learner.predict(OnlineQuestion({"size": 3, "color": "red"})).value
        ```
    """

    name = "online"
    example = OnlineExample
    asked = OnlineQuestion
    guess = OnlineGuess
    options_type = OnlineOptions

    def __init__(self, options: OnlineOptions | None = None) -> None:
        need("online learning", ("river",), "learning")
        self.options = options or OnlineOptions()
        self.news: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self._entry = entry_of(self.options)
        self._model = make_model(self.options)
        self._watch = Watch(self.options)
        self._seen = Seen()
        self._progress = Progress(self._entry.task)

    @property
    def learned(self) -> int:
        """How many examples it has learned from."""
        return self._progress.learned

    # --- learning -------------------------------------------------------------------------------

    def learn(self, example: OnlineExample) -> None:
        """Guesses an example, counts how well, and learns from it.

        Raises:
            BadExample: It cannot be used; or River failed at it, and then the learner is to be
                loaded anew.
            TooBig: It has more features, words or labels than the learner may know.
        """
        target = self._checked(example)
        try:
            error = self._test(example, target)
            self._teach(self._model, example, target)
        except (KeyboardInterrupt, SystemExit):
            raise
        # Anything can come of a model that meets what it is not made for; what River has in Rust
        # raises a panic, which is no Exception.
        except BaseException as failed:
            raise BadExample(
                f"{self.options.learner} cannot learn from it: {type(failed).__name__}: {failed}"
            ) from failed
        self._seen.note(example.features)
        if self._entry.task == "classification":
            self._seen.note_label(target)
        self._progress.note_learned()
        if error is not None and self._watch.notices(error, example):
            self._drifted()

    def _checked(self, example: OnlineExample) -> Any:
        self._seen.check(example.features)
        self._seen.check_room(example.features)
        match self._entry.task:
            case "classification":
                self._seen.check_label(example.target, boolean=self._entry.boolean)
            case "regression":
                return check_number(example.target)
            case task:
                check_no_label(example.target, anomaly=task == "anomaly")
        return example.target

    def _test(self, example: OnlineExample, target: Any) -> float | None:
        """Guesses before it learns; returns the error, or nothing where it could not guess."""
        inputs = self._inputs(example.features)
        match self._entry.task:
            case "classification":
                guess = plain(self._model.predict_one(inputs))
                return None if guess is None else self._progress.note_label(str(guess), str(target))
            case "regression":
                number = plain(self._model.predict_one(inputs))
                return self._progress.note_number(number, target) if is_number(number) else None
            case "anomaly":
                found = plain(self._model.score_one(inputs))
            case _:
                found = self._distance(inputs)
        if not is_number(found):
            return None
        self._progress.note_score(float(found), target)
        return float(found)

    def _teach(self, model: Any, example: OnlineExample, target: Any) -> None:
        inputs = self._inputs(example.features)
        if self._entry.task in ("classification", "regression"):
            model.learn_one(inputs, target)
        else:
            model.learn_one(inputs)

    def _drifted(self) -> None:
        self._progress.drifts += 1
        told = f"drift after {self.learned} examples"
        if self._watch.replaces:
            self._model = make_model(self.options)
            for one in self._watch.latest:
                self._teach(self._model, one, one.target)
            told += f"; a new model learned from the latest {len(self._watch.latest)}"
        self.news = [*self.news, told][-NEWS:]

    def _inputs(self, features: dict[str, Plain]) -> dict[str, Any]:
        return dict(features) if self._entry.words else as_numbers(features)

    def _distance(self, inputs: dict[str, Any]) -> float | None:
        """How far an example is from the center of its cluster, in scaled features."""
        cluster = self._model[-1].predict_one(scaled := self._model[0].transform_one(inputs))
        center = self._model[-1].centers.get(cluster)
        if not self.learned or center is None:
            return None
        return math.dist([center.get(name, 0.0) for name in scaled], list(scaled.values()))

    # --- guessing -------------------------------------------------------------------------------

    def predict(self, asked: OnlineQuestion) -> OnlineGuess:
        """Returns a guess with its explanation; changes nothing.

        Raises:
            BadExample: A feature is not what it was before.
            BadProblem: The model has no finite answer any more.
        """
        self._seen.check(asked.features)
        known, unknown = self._known(asked.features)
        if not self.learned:
            return OnlineGuess(explanation="nothing was learned yet", unknown=unknown)
        model = self._model
        if self._entry.restless:
            self._model = copy.deepcopy(model)
        try:
            guess = self._guess(known)
        except (KeyboardInterrupt, SystemExit, PepperError):
            raise
        except BaseException as failed:
            raise BadExample(
                f"{self.options.learner} cannot guess: {type(failed).__name__}: {failed}"
            ) from failed
        finally:
            self._model = model
        return msgspec.structs.replace(guess, unknown=unknown)

    def _known(self, features: dict[str, Plain]) -> tuple[dict[str, Plain], list[str]]:
        known: dict[str, Plain] = {}
        unknown = []
        for name, value in features.items():
            if isinstance(value, str) and value not in self._seen.words.get(name, {}):
                unknown.append(f"{name}={value}")
            elif name not in self._seen.kinds:
                unknown.append(name)
            else:
                known[name] = value
        return known, unknown

    def _guess(self, features: dict[str, Plain]) -> OnlineGuess:
        inputs = self._inputs(features)
        match self._entry.task:
            case "anomaly":
                return self._explained(features, OnlineGuess(score=self._number(features)))
            case "clustering":
                value = plain(self._model.predict_one(inputs))
                return self._explained(features, OnlineGuess(value=value))
            case "regression":
                return self._explained(features, OnlineGuess(value=self._number(features)))
            case _:
                value = plain(self._model.predict_one(inputs))
                probabilities = self._probabilities(inputs)
                return self._explained(
                    features, OnlineGuess(value=value, probabilities=probabilities)
                )

    def _number(self, features: dict[str, Plain]) -> float:
        inputs = self._inputs(features)
        anomaly = self._entry.task == "anomaly"
        found = self._model.score_one(inputs) if anomaly else self._model.predict_one(inputs)
        if not is_number(found):
            raise BadProblem(
                f"{self.options.learner} has no finite answer any more",
                hint="reset it, and give it a smaller rate",
            )
        return float(found)

    def _probabilities(self, inputs: dict[str, Any]) -> dict[str, float]:
        try:
            found = self._model.predict_proba_one(inputs)
        except NotImplementedError:
            return {}
        return {as_text(label): float(p) for label, p in found.items() if is_number(p)}

    def _measure(self, guess: OnlineGuess) -> Any:
        """What of a guess is looked at when a feature is tried: a number, or a probability."""
        if self._entry.task == "classification":
            label = as_text(guess.value)
            return lambda features: self._probabilities(self._inputs(features)).get(label, 0.0)
        if self._entry.task == "clustering":
            return lambda features: self._distance(self._inputs(features)) or 0.0
        return self._number

    def _explained(self, features: dict[str, Plain], guess: OnlineGuess) -> OnlineGuess:
        if self._entry.explain == "path":
            path = explaining.by_path(self._model, self._inputs(features))
            lines = [self._headline(guess), *(f"  {step}" for step in path)]
            return msgspec.structs.replace(guess, path=path, explanation="\n".join(lines))
        if self._entry.explain == "weights":
            found = explaining.by_weights(self._model, features)
            unit = "" if self._entry.task == "regression" else "towards true"
        else:
            found = explaining.by_trying(self._measure(guess), features, self._seen)
            unit = {"classification": "of its probability", "clustering": "of its distance"}.get(
                self._entry.task, ""
            )
        lines = [self._headline(guess), *explaining.in_words(found, unit)]
        return msgspec.structs.replace(guess, contributions=found, explanation="\n".join(lines))

    def _headline(self, guess: OnlineGuess) -> str:
        what = "score" if guess.score is not None else self._entry.task
        value = guess.value if guess.score is None else f"{guess.score:.4g}"
        how = {
            "path": "by the path in the tree",
            "weights": "by weight times value of each feature",
            "trying": "by what each feature changes, against its average",
        }[self._entry.explain]
        learned = f"{self.learned} examples"
        return f"{what} {as_text(value)}, by {self.options.learner} after {learned}: {how}"

    # --- its state ------------------------------------------------------------------------------

    def evaluate(self) -> Sequence[Measured]:
        """Returns the figures over time, each example guessed before it was learned."""
        return self._progress.over_time()

    def save(self) -> bytes:
        """Returns the whole state: plain data, no pickle."""
        latest = list(self._watch.latest)
        parts = write_parts([self._model, self._watch.detector])
        saved = Saved(
            river=river_version(),
            options=self.options,
            seen=self._seen,
            progress=self._progress,
            latest=latest,
            parts=parts,
        )
        return msgspec.msgpack.encode(saved)

    def load(self, state: bytes) -> None:
        """Takes over a state, with the options of who saved it.

        Raises:
            BadProblem: It is none, or one of another version of River.
        """
        saved = read_saved(state)
        entry = entry_of(saved.options)
        fresh = make_model(saved.options)
        try:
            model, detector = read_parts(saved.parts)
        except (Unreadable, ValueError, TypeError) as error:
            raise BadProblem(f"the state cannot be read: {error}") from error
        if type(model) is not type(fresh) or saved.progress.task != entry.task:
            raise BadProblem(f"the state is none of {saved.options.learner}")
        watch = Watch(saved.options, detector=detector, latest=saved.latest)
        self.options, self._entry, self._model, self._watch = saved.options, entry, model, watch
        self._seen, self._progress = saved.seen, saved.progress

    def reset(self) -> None:
        """Forgets all it has learned, and keeps its options."""
        self._begin()

    def begin_with(self, other: "OnlineLearner") -> None:
        """Takes over what another one knows, and counts its own figures from now on (warm start).

        Raises:
            BadProblem: They are not the same kind of learner.
        """
        if other.options.learner != self.options.learner:
            raise BadProblem(
                f"{self.options.learner} cannot begin with what {other.options.learner} knows",
                hint="give both the same learner",
                context={"field": "start"},
            )
        own = self.options
        self.load(other.save())
        self.options = own
        self._watch = Watch(own)
        self._progress = Progress(self._entry.task)


def plain(value: Any) -> Plain | None:
    """Returns a label without the types of numpy."""
    found: Plain | None = value.item() if hasattr(value, "item") else value
    return found


def as_text(label: Any) -> str:
    """Returns a label as a key of JSON."""
    return str(label).lower() if isinstance(label, bool) else str(label)
