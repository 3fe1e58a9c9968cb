"""The online learners by name: how River makes each, and which parameters it has here.

A parameter that is not listed cannot be given: some of River's take code, or memory without bound.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from pepperpy_capabilities.learning.online.parameters import Parameter, checked
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learning_online import DriftWatch, OnlineOptions

Task = Literal["classification", "regression", "clustering", "anomaly"]
Make = Callable[[dict[str, Any], int], Any]


class Entry(msgspec.Struct, frozen=True):
    """A learner of the catalog.

    Attributes:
        task: What it does.
        make: Makes River's model, of all parameters and a seed.
        parameters: Those that it has.
        explain: How its guesses are explained: by weights, a path, or by trying it without each
            feature.
        words: Whether it takes words as they are; others get each word as a feature of its own.
        boolean: Whether its labels are true and false alone.
        restless: Whether guessing changes it, so that it guesses by a copy.
    """

    task: Task
    make: Make
    parameters: Mapping[str, Parameter]
    explain: Literal["weights", "path", "trying"] = "trying"
    words: bool = False
    boolean: bool = False
    restless: bool = False


def entry_of(options: OnlineOptions) -> Entry:
    """Returns the entry of a learner.

    Raises:
        BadProblem: There is none of that name.
    """
    found = LEARNERS.get(options.learner)
    if found is None:
        raise BadProblem(
            f"there is no learner {options.learner!r:.80}",
            hint=f"there are: {', '.join(LEARNERS)}",
            context={"field": "options.learner"},
        )
    return found


def make_model(options: OnlineOptions) -> Any:
    """Returns a new model of River.

    Raises:
        BadProblem: There is no such learner, or it has no such parameters.
    """
    entry = entry_of(options)
    parameters = checked(
        options.learner, entry.parameters, options.parameters, field="options.parameters"
    )
    return entry.make(parameters, options.seed)


def make_detector(watch: DriftWatch, seed: int) -> Any:
    """Returns a new detector of drift.

    Raises:
        BadProblem: It has no such parameters.
    """
    from river import drift

    known = DETECTORS[watch.detector]
    parameters = checked(watch.detector, known, watch.parameters, field="options.drift.parameters")
    made: dict[str, Any] = {"adwin": drift.ADWIN, "page-hinkley": drift.PageHinkley}
    if watch.detector in made:
        return made[watch.detector](**parameters)
    if parameters["stat_size"] >= parameters["window_size"]:
        raise BadProblem(
            "stat_size of kswin is not below its window_size",
            context={"field": "options.drift.parameters.stat_size"},
        )
    return drift.KSWIN(**parameters, seed=seed)


DETECTORS: Final[dict[str, dict[str, Parameter]]] = {
    "adwin": {
        "delta": Parameter(0.002, 1e-9, 1),
        "clock": Parameter(32, 1, 100_000),
        "grace_period": Parameter(10, 1, 100_000),
    },
    "page-hinkley": {
        "min_instances": Parameter(30, 1, 100_000),
        "delta": Parameter(0.005, 0, 1e6),
        "threshold": Parameter(50.0, 1e-6, 1e9),
        "alpha": Parameter(0.9999, 0, 1),
        "mode": Parameter("both", words=("both", "up", "down")),
    },
    "kswin": {
        "alpha": Parameter(0.005, 1e-9, 1),
        "window_size": Parameter(100, 2, 10_000),
        "stat_size": Parameter(30, 1, 5_000),
    },
}
"""The parameters of the detectors of drift, by their names."""


def _scaled(make: Make) -> Make:
    def scaled(parameters: dict[str, Any], seed: int) -> Any:
        from river import preprocessing

        return preprocessing.StandardScaler() | make(parameters, seed)

    return scaled


def _sgd(parameters: dict[str, Any]) -> dict[str, Any]:
    from river import optim

    rest = {name: value for name, value in parameters.items() if name != "rate"}
    return {"optimizer": optim.SGD(parameters["rate"]), **rest}


def _river(path: str, *, seeded: bool = False) -> Make:
    """Makes a model by its place in River, with the parameters as they are."""

    def make(parameters: dict[str, Any], seed: int) -> Any:
        import importlib

        module, _, name = path.rpartition(".")
        cls = getattr(importlib.import_module(f"river.{module}"), name)
        return cls(**parameters, **({"seed": seed} if seeded else {}))

    return make


def _by_gradient(path: str) -> Make:
    return lambda parameters, seed: _river(path)(_sgd(parameters), seed)


def _nearest(path: str) -> Make:
    def make(parameters: dict[str, Any], _: int) -> Any:
        from river import neighbors

        rest = dict(parameters)
        engine = neighbors.LazySearch(window_size=rest.pop("window_size"))
        return _river(path)({**rest, "engine": engine}, 0)

    return make


def _half_space_trees(parameters: dict[str, Any], seed: int) -> Any:
    from river import anomaly, preprocessing

    # They divide the space between 0 and 1.
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(**parameters, seed=seed)


_RATE = {"rate": Parameter(0.01, 1e-9, 10), "l2": Parameter(0.0, 0, 1e6)}
_GRADIENT = {**_RATE, "l1": Parameter(0.0, 0, 1e6), "intercept_lr": Parameter(0.01, 0, 10)}
_PASSIVE = {"C": Parameter(1.0, 1e-9, 1e9), "mode": Parameter(1, 0, 2)}
_TREE = {
    "grace_period": Parameter(200, 1, 1_000_000),
    "max_depth": Parameter(20, 1, 50),
    "delta": Parameter(1e-7, 1e-12, 1),
    "tau": Parameter(0.05, 0, 1),
}
_FOREST = {
    **_TREE,
    "n_models": Parameter(10, 1, 50),
    "grace_period": Parameter(50, 1, 1_000_000),
    "delta": Parameter(0.01, 1e-12, 1),
    "lambda_value": Parameter(6, 1, 20),
}
# River's default learns a linear model in each leaf, which goes astray where numbers are large.
_LEAF = {"leaf_prediction": Parameter("mean", words=("mean", "model", "adaptive"))}
_MONDRIAN = {
    "n_estimators": Parameter(10, 1, 50),
    "step": Parameter(1.0, 1e-6, 1e3),
    "max_nodes": Parameter(500, 3, 10_000),
}
_NEAREST = {"n_neighbors": Parameter(5, 1, 100), "window_size": Parameter(500, 10, 5_000)}

LEARNERS: Final[dict[str, Entry]] = {
    # Classification.
    "logistic": Entry(
        "classification",
        _scaled(_by_gradient("linear_model.LogisticRegression")),
        _GRADIENT,
        "weights",
        boolean=True,
    ),
    "softmax": Entry(
        "classification", _scaled(_by_gradient("linear_model.SoftmaxRegression")), _RATE
    ),
    "passive-aggressive": Entry(
        "classification",
        _scaled(_river("linear_model.PAClassifier")),
        _PASSIVE,
        "weights",
        boolean=True,
    ),
    "naive-bayes": Entry("classification", _river("naive_bayes.GaussianNB"), {}),
    "hoeffding-tree": Entry(
        "classification", _river("tree.HoeffdingTreeClassifier"), _TREE, "path", words=True
    ),
    "adaptive-tree": Entry(
        "classification",
        _river("tree.HoeffdingAdaptiveTreeClassifier", seeded=True),
        _TREE,
        "path",
        words=True,
    ),
    "adaptive-forest": Entry(
        "classification", _river("forest.ARFClassifier", seeded=True), _FOREST, words=True
    ),
    "mondrian-forest": Entry(
        "classification", _river("forest.AMFClassifier", seeded=True), _MONDRIAN
    ),
    "nearest": Entry("classification", _scaled(_nearest("neighbors.KNNClassifier")), _NEAREST),
    # Regression.
    "linear": Entry(
        "regression", _scaled(_by_gradient("linear_model.LinearRegression")), _GRADIENT, "weights"
    ),
    "passive-aggressive-regression": Entry(
        "regression", _scaled(_river("linear_model.PARegressor")), _PASSIVE, "weights"
    ),
    "hoeffding-tree-regression": Entry(
        "regression", _river("tree.HoeffdingTreeRegressor"), {**_TREE, **_LEAF}, "path"
    ),
    "adaptive-tree-regression": Entry(
        "regression",
        _river("tree.HoeffdingAdaptiveTreeRegressor", seeded=True),
        {**_TREE, **_LEAF},
        "path",
    ),
    "adaptive-forest-regression": Entry(
        "regression", _river("forest.ARFRegressor", seeded=True), {**_FOREST, **_LEAF}
    ),
    "nearest-regression": Entry(
        "regression", _scaled(_nearest("neighbors.KNNRegressor")), _NEAREST
    ),
    # Clustering.
    "k-means": Entry(
        "clustering",
        _scaled(_river("cluster.KMeans", seeded=True)),
        {
            "n_clusters": Parameter(5, 1, 1_000),
            "halflife": Parameter(0.5, 1e-6, 1),
            "sigma": Parameter(1.0, 1e-6, 1e6),
        },
    ),
    "dbstream": Entry(
        "clustering",
        _scaled(_river("cluster.DBSTREAM")),
        {
            "clustering_threshold": Parameter(1.0, 1e-6, 1e6),
            "fading_factor": Parameter(0.01, 1e-9, 10),
            "cleanup_interval": Parameter(2.0, 1, 1e6),
            "intersection_factor": Parameter(0.3, 0, 1),
            "minimum_weight": Parameter(1.0, 0, 1e6),
        },
        restless=True,
    ),
    # Anomalies.
    "half-space-trees": Entry(
        "anomaly",
        _half_space_trees,
        {
            "n_trees": Parameter(10, 1, 25),
            "height": Parameter(8, 1, 10),
            "window_size": Parameter(250, 1, 100_000),
        },
    ),
    "one-class-svm": Entry(
        "anomaly", _scaled(_river("anomaly.OneClassSVM")), {"nu": Parameter(0.1, 1e-6, 1)}
    ),
}
"""All online learners."""
