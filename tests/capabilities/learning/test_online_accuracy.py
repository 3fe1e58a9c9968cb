"""Online learners are as good as River alone, notice drift, and say why they guess what they do."""

from typing import Any

import pytest

from pepperpy_capabilities.learning.online import features
from pepperpy_capabilities.learning.online.catalog import make_detector, make_model
from pepperpy_capabilities.learning.online.learner import OnlineLearner
from pepperpy_capabilities.learning.online.progress import MOMENTS
from pepperpy_schemas.errors import BadProblem, TooBig
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_online import (
    DriftWatch,
    OnlineExample,
    OnlineOptions,
    OnlineQuestion,
)
from tests.capabilities.learning.river_data import datasets, evaluate, examples, metrics, synth

CLASSES = [
    (datasets.Phishing, "logistic", {}),
    (datasets.Phishing, "hoeffding-tree", {"grace_period": 50}),
    (datasets.Phishing, "adaptive-forest", {"n_models": 3}),
    (datasets.Bananas, "nearest", {}),
    (datasets.Bananas, "naive-bayes", {}),
    (datasets.ImageSegments, "softmax", {}),
    (datasets.ImageSegments, "adaptive-tree", {"grace_period": 50}),
]
NUMBERS = [
    (datasets.TrumpApproval, "linear", {}),
    (datasets.TrumpApproval, "hoeffding-tree-regression", {"grace_period": 50}),
    (datasets.TrumpApproval, "nearest-regression", {}),
]


def taught(options: OnlineOptions, told: list[OnlineExample]) -> OnlineLearner:
    learner = OnlineLearner(options)
    for one in told:
        learner.learn(one)
    return learner


def alone(options: OnlineOptions, told: list[OnlineExample], metric: Any) -> float:
    """How well River does by itself."""
    pairs = ((one.features, one.target) for one in told)
    figure: float = evaluate.progressive_val_score(pairs, make_model(options), metric).get()
    return figure


@pytest.mark.parametrize(("dataset", "name", "parameters"), CLASSES)
def test_classes_are_guessed_as_well_as_by_river_alone(
    dataset: Any, name: str, parameters: dict[str, Any]
) -> None:
    told = examples(dataset(), 1250)
    options = OnlineOptions(learner=name, parameters=parameters, seed=1)
    figures = taught(options, told).evaluate()[-1].figures
    for mine, rivers in (("accuracy", metrics.Accuracy()), ("macro_f1", metrics.MacroF1())):
        assert figures[mine] == pytest.approx(alone(options, told, rivers), abs=1e-12)


@pytest.mark.parametrize(("dataset", "name", "parameters"), NUMBERS)
def test_numbers_are_guessed_as_well_as_by_river_alone(
    dataset: Any, name: str, parameters: dict[str, Any]
) -> None:
    told = examples(dataset())
    options = OnlineOptions(learner=name, parameters=parameters, seed=1)
    figures = taught(options, told).evaluate()[-1].figures
    rivers = {"mae": metrics.MAE(), "rmse": metrics.RMSE(), "r2": metrics.R2()}
    for mine, metric in rivers.items():
        assert figures[mine] == pytest.approx(alone(options, told, metric), rel=1e-6)


def test_words_are_features() -> None:
    told = examples(datasets.SolarFlare(), 600)
    for name in ("linear", "hoeffding-tree-regression"):
        learner = OnlineLearner(OnlineOptions(learner=name))
        for one in told:
            target = one.target["c-class-flares"]  # type: ignore[index]  # of three
            learner.learn(OnlineExample(one.features, target))
        assert learner.evaluate()[-1].figures["mae"] < 1


def test_anomalies_have_higher_scores() -> None:
    stream = synth.AnomalySine(n_samples=1500, n_anomalies=150, seed=4)
    told = [OnlineExample(dict(x), bool(y)) for x, y in stream]
    figures = taught(OnlineOptions(learner="half-space-trees"), told).evaluate()[-1].figures
    assert figures["roc_auc"] > 0.75


def test_clusters_are_those_that_the_points_were_made_of() -> None:
    centers = ((0.0, 0.0), (10.0, 10.0), (0.0, 10.0))
    points = [
        OnlineExample({"x": x + n % 7 / 10, "y": y + n % 5 / 10})
        for n in range(200)
        for x, y in centers
    ]
    learner = taught(OnlineOptions(learner="k-means", parameters={"n_clusters": 3}, seed=7), points)
    found = [learner.predict(OnlineQuestion({"x": x, "y": y})).value for x, y in centers]
    assert len(set(found)) == 3
    figures = learner.evaluate()[-1].figures
    assert figures["distance_lately"] < figures["distance"]


def drifting() -> list[OnlineExample]:
    """Points whose labels are turned round from the 2500th on."""
    before, after = (synth.Sine(classification_function=n, seed=11) for n in (0, 1))
    stream = synth.ConceptDriftStream(before, after, seed=1, position=2500, width=50)
    return examples(stream, 5000)


@pytest.mark.parametrize("then", ["tell", "replace"])
def test_a_drift_is_noticed_where_river_alone_notices_it(then: Any) -> None:
    watch = DriftWatch(detector="adwin", then=then, latest=100)
    options = OnlineOptions(learner="hoeffding-tree", drift=watch)
    learner, detector, model = OnlineLearner(options), make_detector(watch, 0), make_model(options)
    noticed: list[int] = []
    for number, one in enumerate(drifting(), start=1):
        learner.learn(one)
        if then == "tell":
            guess = model.predict_one(one.features)
            model.learn_one(one.features, one.target)
            if guess is None:
                continue
            detector.update(float(guess != one.target))
            if detector.drift_detected:
                noticed.append(number)
    told = [int(line.split()[2]) for line in learner.news]
    assert any(2500 < one < 2700 for one in told)
    if then == "tell":
        assert told == noticed
        assert learner.evaluate()[-1].figures["drifts"] == len(noticed)
    else:
        assert "a new model learned from the latest 100" in learner.news[0]


def test_without_drift_none_is_told() -> None:
    told = examples(synth.SEA(variant=1, seed=11), 2500)
    learner = taught(OnlineOptions(learner="naive-bayes", drift=DriftWatch()), told)
    assert learner.news == []


def test_the_moments_that_are_kept_are_bounded_and_span_all_of_the_time() -> None:
    told = [OnlineExample({"x": float(n % 3)}, bool(n % 2)) for n in range(5000)]
    figures = taught(OnlineOptions(), told).evaluate()
    assert len(figures) <= MOMENTS + 1
    assert figures[0].examples < 200
    assert figures[-1].examples == 5000


def test_the_contributions_of_a_linear_model_and_its_intercept_are_its_guess() -> None:
    learner = taught(OnlineOptions(learner="linear"), examples(datasets.TrumpApproval()))
    asked = examples(datasets.TrumpApproval(), 1)[0].features
    guess = learner.predict(OnlineQuestion(asked))
    intercept = learner._model.river[-1].intercept
    assert isinstance(guess.value, float)
    assert guess.value == pytest.approx(sum(one.by for one in guess.contributions) + intercept)
    assert "gallup" in guess.explanation


def test_the_path_of_a_tree_leads_to_its_guess() -> None:
    told = [OnlineExample({"size": float(n % 10), "b": n % 3}, n % 10 >= 5) for n in range(600)]
    options = OnlineOptions(learner="hoeffding-tree", parameters={"grace_period": 50})
    guess = taught(options, told).predict(OnlineQuestion({"size": 9.0, "b": 1}))
    assert guess.value is True
    assert guess.path[0].startswith("size >")
    assert guess.probabilities["true"] > 0.9


def test_what_a_feature_changes_is_told_where_there_are_no_weights() -> None:
    told = [
        OnlineExample({"a": n % 2 + n % 3, "noise": n % 7}, f"class{n % 2}") for n in range(300)
    ]
    guess = taught(OnlineOptions(learner="naive-bayes"), told).predict(
        OnlineQuestion({"a": 3, "noise": 3})
    )
    assert guess.value == "class1"
    assert guess.contributions[0].feature == "a"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (OnlineOptions(learner="oracle"), "options.learner"),
        (OnlineOptions(parameters={"loss": "Hinge"}), "options.parameters.loss"),
        (OnlineOptions(parameters={"rate": float("nan")}), "options.parameters.rate"),
        (OnlineOptions(parameters={"rate": "fast"}), "options.parameters.rate"),
        (OnlineOptions(parameters={"rate": True}), "options.parameters.rate"),
        (OnlineOptions(parameters={"rate": -1}), "options.parameters.rate"),
        (
            OnlineOptions(learner="adaptive-forest", parameters={"n_models": 10**9}),
            "options.parameters.n_models",
        ),
        (
            OnlineOptions(drift=DriftWatch(parameters={"delta": 7})),
            "options.drift.parameters.delta",
        ),
        (
            OnlineOptions(drift=DriftWatch(detector="kswin", parameters={"stat_size": 200})),
            "options.drift.parameters.stat_size",
        ),
    ],
)
def test_options_that_cannot_be_are_named(options: OnlineOptions, field: str) -> None:
    with pytest.raises(BadProblem) as refused:
        OnlineLearner(options)
    assert refused.value.context["field"] == field


def test_labels_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MAX_LABELS", 100)
    learner = OnlineLearner(OnlineOptions(learner="naive-bayes"))
    for n in range(100):
        learner.learn(OnlineExample({"x": 1.0}, f"label{n}"))
    with pytest.raises(TooBig, match="100 labels"):
        learner.learn(OnlineExample({"x": 1.0}, "one more"))
    assert learner.learned == 100


def test_words_and_features_without_end_are_refused() -> None:
    learner = OnlineLearner(OnlineOptions(learner="naive-bayes"))
    told: list[dict[str, Plain]] = [
        {**{f"f{n}-{m}": 1.0 for m in range(99)}, "id": f"user{n}"} for n in range(101)
    ]
    for one in told[:99]:
        learner.learn(OnlineExample(one, "a"))
    with pytest.raises(TooBig, match="may know 10000"):
        learner.learn(OnlineExample(told[99], "a"))
    assert learner.learned == 99


@pytest.mark.parametrize(("before", "now"), [(0, 2), (1, 3)])
@pytest.mark.parametrize("name", ["logistic", "naive-bayes", "hoeffding-tree", "nearest"])
def test_who_begins_with_what_another_knows_is_better_at_a_task_like_it(
    name: str, before: int, now: int
) -> None:
    """Transfer: the border between the labels lies elsewhere in the second task."""
    options = OnlineOptions(learner=name)
    other = taught(options, examples(synth.SEA(variant=before, seed=1), 1000))
    warm = cold = 0.0
    for seed in range(2, 8):
        told = examples(synth.SEA(variant=now, seed=seed), 50)
        beginner = OnlineLearner(options)
        beginner.begin_with(other)
        assert beginner.evaluate()[-1].examples == 0
        for one in told:
            beginner.learn(one)
        warm += beginner.evaluate()[-1].figures["accuracy"] / 6
        cold += taught(options, told).evaluate()[-1].figures["accuracy"] / 6
    assert warm > cold + 0.05


def test_another_kind_of_learner_has_nothing_to_begin_with() -> None:
    with pytest.raises(BadProblem, match="cannot begin"):
        OnlineLearner(OnlineOptions(learner="nearest")).begin_with(OnlineLearner())
