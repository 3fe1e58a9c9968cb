"""What of River may be in a saved state: names, and what they stand for.

A state that anybody may have written names classes, functions and methods. Only those below are
looked up; none of them opens files, runs code that it is given, or speaks to the network.
"""

import collections
import copy
import importlib
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

_ROOMS: Final = frozenset(
    f"river.{room}"
    for room in (
        "anomaly",
        "base",
        "cluster",
        "compose",
        "drift",
        "dummy",
        "forest",
        "linear_model",
        "metrics",
        "multiclass",
        "naive_bayes",
        "neighbors",
        "optim",
        "preprocessing",
        "proba",
        "stats",
        "tree",
        "utils",
    )
)
"""Packages of River whose classes are learners, or parts of them."""
_CLASSES: Final = frozenset({"statistics:NormalDist"})
"""Classes of the standard library that are parts of them."""

_CALLABLES: Final[dict[str, Callable[..., Any]]] = {
    "float": float,
    "int": int,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "defaultdict": collections.defaultdict,
    "deepcopy": copy.deepcopy,
}
_FUNCTIONS: Final = frozenset(
    {
        "river.naive_bayes.gaussian:GaussianNB._make_gaussian",
        "river.tree.splitter.ebst_splitter:EBSTNode._update_estimator_univariate",
        "river.tree.splitter.ebst_splitter:EBSTNode._update_estimator_multivariate",
        "river._river_rust.vectordict:euclidean_distance_tuple",
        "river.stats.maximum:Max",
        "river.stats.minimum:Min",
    }
)
_METHODS: Final = frozenset(
    {
        *(
            f"river.linear_model.pa:{kind}._calc_tau_{n}"
            for kind in ("PAClassifier", "PARegressor")
            for n in (0, 1, 2)
        ),
        "river.drift.page_hinkley:PageHinkley._test_both",
        "river.drift.page_hinkley:PageHinkley._test_decrease",
        "river.drift.page_hinkley:PageHinkley._test_increase",
        "random:Random.gauss",
        "random:Random.random",
    }
)


@lru_cache(maxsize=1024)
def class_named(name: str) -> type:
    """Returns a class of River by its name, ``river.tree.nodes.branch:NumericBinaryBranch``.

    Raises:
        LookupError: It is none that a state may have in it.
    """
    module, _, path = name.partition(":")
    if ".".join(module.split(".")[:2]) not in _ROOMS and name not in _CLASSES:
        raise LookupError(f"{name} is no part of a learner")
    found = _found(module, path)
    if not isinstance(found, type) or name_of(found) != name:
        raise LookupError(f"{name} is no class of River")
    return found


def callable_named(name: str) -> Callable[..., Any]:
    """Returns a function that parts of learners are made by.

    Raises:
        LookupError: It is none of those.
    """
    if name in _CALLABLES:
        return _CALLABLES[name]
    if name not in _FUNCTIONS:
        raise LookupError(f"{name} is no function of a learner")
    module, _, path = name.partition(":")
    found: Callable[..., Any] = _found(module, path)
    return found


def name_of_callable(function: Callable[..., Any]) -> str:
    """Returns the name of a function that parts of learners are made by.

    Raises:
        LookupError: It is none of those.
    """
    for name, one in _CALLABLES.items():
        if one is function:
            return name
    name = name_of(function)
    callable_named(name)
    return name


def method_of(owner: object, name: str) -> Callable[..., Any]:
    """Returns a method of a part of a learner.

    Raises:
        LookupError: It is none that a state may have in it.
    """
    if f"{name_of(type(owner))}.{name}" not in _METHODS:
        raise LookupError(f"{name} of {type(owner).__name__} is no method that a state may name")
    found: Callable[..., Any] = getattr(type(owner), name).__get__(owner)
    return found


def name_of(thing: Any) -> str:
    """Returns the name of a class or function, as states have it."""
    if thing is random.Random:
        return "random:Random"
    return f"{thing.__module__}:{thing.__qualname__}"


def _found(module: str, path: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = vars(found)[part]
    except (ImportError, KeyError, TypeError):
        raise LookupError(f"River has no {module}:{path}") from None
    return found.__func__ if isinstance(found, staticmethod) else found
