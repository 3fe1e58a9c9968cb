"""Every online learner does what every learner must do, and can be saved without a pickle."""

from typing import Any, ClassVar

import msgspec
import pytest

from pepperpy_capabilities.conformance import LearnerConformance
from pepperpy_capabilities.learning.online.catalog import LEARNERS
from pepperpy_capabilities.learning.online.explaining import by_trying
from pepperpy_capabilities.learning.online.features import Seen
from pepperpy_capabilities.learning.online.learner import OnlineLearner
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_online import (
    DriftWatch,
    OnlineExample,
    OnlineOptions,
    OnlineQuestion,
)
from tests.capabilities.learning.river_data import datasets, examples

PHISHING = examples(datasets.Phishing(), 150)
TRUMP = examples(datasets.TrumpApproval(), 150)
UNLABELLED = [OnlineExample(one.features) for one in PHISHING]
OF = {
    "classification": PHISHING,
    "regression": TRUMP,
    "clustering": UNLABELLED,
    "anomaly": UNLABELLED,
}


@pytest.mark.parametrize("learner", list(LEARNERS))
class TestOnline(LearnerConformance):
    learner: str
    unusable: ClassVar[list[Any]] = [
        OnlineExample({}, True),
        OnlineExample({"is_popular": float("nan"), "five_thirty_eight": float("nan")}, True),
        OnlineExample({"is_popular": float("inf"), "five_thirty_eight": float("inf")}, 1.0),
        OnlineExample({"is_popular": "word", "five_thirty_eight": "word"}, True),
        OnlineExample({"is_popular": 1e40, "five_thirty_eight": 1e40}, 1.0),
        OnlineExample({f"feature{n}": 1.0 for n in range(1_001)}, True),
        OnlineExample({"x" * 257: 1.0}, True),
        OnlineExample({"is_popular": 10**25, "five_thirty_eight": 10**25}, 1),
        OnlineExample({"is_popular": 1.0, "five_thirty_eight": 1.0}, 10**25),
        OnlineExample({"is_popular": 1.0, "five_thirty_eight": 1.0}, "x" * 300),
        OnlineExample({"is_popular": 1.0, "five_thirty_eight": 1.0}, float("nan")),
    ]

    @pytest.fixture(autouse=True)
    def _of(self, learner: str) -> None:
        self.learner = learner
        self.examples = OF[LEARNERS[learner].task]  # type: ignore[misc]  # of this learner
        self.asked = OnlineQuestion(self.examples[0].features)  # type: ignore[misc]  # as above

    def make(self) -> OnlineLearner:
        entry = LEARNERS[self.learner]
        small = {"grace_period": 20} if "grace_period" in entry.parameters else {}
        watch = DriftWatch(detector="page-hinkley", then="replace", latest=20)
        return OnlineLearner(
            OnlineOptions(learner=self.learner, parameters=small, seed=3, drift=watch)
        )

    def test_what_it_never_saw_is_left_out_and_named(self) -> None:
        one = self.taught()
        more = OnlineQuestion({**self.asked.features, "new": 1.0, "word": "a"})
        before = one.save()
        guess = one.predict(more)
        assert guess.unknown == ["new", "word=a"]
        assert guess.value == one.predict(self.asked).value
        assert one.save() == before

    def test_a_question_of_which_it_knows_nothing_is_answered(self) -> None:
        guess = self.taught().predict(OnlineQuestion({"never": 1.0}))
        assert guess.unknown == ["never"]
        assert guess.explanation

    def test_a_feature_may_be_missing(self) -> None:
        one = self.taught()
        features = dict(self.asked.features)
        features.pop(next(iter(features)))
        guess = one.predict(OnlineQuestion(features))
        assert guess.value is not None or guess.score is not None
        target = None if self.examples is UNLABELLED else self.examples[0].target
        one.learn(OnlineExample(features, target))

    def test_new_features_and_words_may_come(self) -> None:
        one = self.taught()
        for n in range(30):
            features = {**self.examples[n].features, "late": n, "word": f"w{n % 3}"}
            one.learn(OnlineExample(features, self.examples[n].target))
        assert one.predict(OnlineQuestion({"word": "w1", "late": 3})).unknown == []

    def test_its_state_is_plain_data(self) -> None:
        plain = msgspec.msgpack.decode(self.taught().save())
        assert plain["kind"] == "pepperpy-online"
        assert all(isinstance(part[0], str) for part in plain["parts"])


def test_what_a_feature_changes_by_the_error_of_its_arithmetic_is_not_told() -> None:
    seen = Seen()
    features: dict[str, Plain] = {"noise": 1.0, "weight": 2.0}

    def measure(left: dict[str, Plain]) -> float:
        third = 0.3 if "noise" in left else 0.1 + 0.2  # which is more, by 5.6e-17
        return third * (2 if "weight" in left else 1)

    assert measure(features) != measure({"weight": 2.0})
    assert [one.feature for one in by_trying(measure, features, seen)] == ["weight"]
