"""Learns online, by a model of River: classes, numbers, clusters, anomalies."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pepperpy_bus.installing import need
from pepperpy_capabilities.learning.online import guessing
from pepperpy_capabilities.learning.online.catalog import entry_of, make_model
from pepperpy_capabilities.learning.online.features import (
    Seen,
    check_no_label,
    check_number,
    is_number,
)
from pepperpy_capabilities.learning.online.model import Model
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
        self._model = Model(self._entry, make_model(self.options))
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
            self._model.learn(example.features, target)
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
        model, features = self._model, example.features
        found: Plain | None
        match self._entry.task:
            case "classification":
                found = model.value(features)
                return None if found is None else self._progress.note_label(str(found), str(target))
            case "regression":
                found = model.value(features)
                return self._progress.note_number(found, target) if is_number(found) else None
            case "anomaly":
                found = model.score(features)
            case _:
                found = model.distance(features) if self.learned else None
        if not is_number(found):
            return None
        self._progress.note_score(float(found), target)
        return float(found)

    def _drifted(self) -> None:
        self._progress.drifts += 1
        told = f"drift after {self.learned} examples"
        if self._watch.replaces:
            self._model = Model(self._entry, make_model(self.options))
            for one in self._watch.latest:
                self._model.learn(one.features, one.target)
            told += f"; a new model learned from the latest {len(self._watch.latest)}"
        self.news = [*self.news, told][-NEWS:]

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
        by = f"{self.options.learner} after {self.learned} examples"
        try:
            found = guessing.guess(self._model.at_rest(), known, self._seen, by=by)
        except (KeyboardInterrupt, SystemExit, PepperError):
            raise
        except BaseException as failed:
            raise BadExample(
                f"{self.options.learner} cannot guess: {type(failed).__name__}: {failed}"
            ) from failed
        return msgspec.structs.replace(found, unknown=unknown)

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

    # --- its state ------------------------------------------------------------------------------

    def evaluate(self) -> Sequence[Measured]:
        """Returns the figures over time, each example guessed before it was learned."""
        return self._progress.over_time()

    def save(self) -> bytes:
        """Returns the whole state: plain data, no pickle."""
        latest = list(self._watch.latest)
        parts = write_parts([self._model.river, self._watch.detector])
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
            river, detector = read_parts(saved.parts)
        except (Unreadable, ValueError, TypeError) as error:
            raise BadProblem(f"the state cannot be read: {error}") from error
        progress = saved.progress
        if type(river) is not type(fresh) or progress.task != entry.task or progress.distance < 1:
            raise BadProblem(f"the state is none of {saved.options.learner}")
        watch = Watch(saved.options, detector=detector, latest=saved.latest)
        self.options, self._entry, self._watch = saved.options, entry, watch
        self._model = Model(entry, river)
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
