"""Saved learners are plain data: what others wrote runs no code, whatever it names."""

import copy
import os
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_capabilities.learning.meta.chooser import Chooser
from pepperpy_capabilities.learning.online.learner import OnlineLearner
from pepperpy_capabilities.learning.online.reading import Unreadable, read_parts
from pepperpy_capabilities.learning.online.writing import Unwritable, write_parts
from pepperpy_capabilities.learning.values.learner import ValueLearner
from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learning_online import OnlineOptions
from tests.capabilities.learning.river_data import datasets, examples


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch evil",)


@pytest.mark.parametrize(
    "table",
    [
        [["function", "os:system"]],
        [["function", "builtins:eval"]],
        [["function", "river.datasets:Phishing"]],
        [["object", "subprocess:Popen"]],
        [["object", "river.datasets.phishing:Phishing"]],
        [["object", "river.compat.sklearn_to_river:SKL2RiverClassifier"]],
        [["object", "river.tree.base:importlib"]],
        [["object", "river.tree:nothing"]],
        [["partial", [1], 1, "touch evil"], ["function", "os:system"]],
        [["method", [1], "__reduce__"], ["object", "river.stats.mean:Mean"]],
        [["method", [1], "update"], ["object", "river.stats.mean:Mean"]],
        [
            ["method", [1], "draw"],
            ["object", "river.tree.hoeffding_tree_classifier:HoeffdingTreeClassifier"],
        ],
        [["object", "river.stats.mean:Mean", "__class__", 1]],
        [["object", "river.stats.mean:Mean", "a.b", 1]],
        [["object", "river.stats.mean:Mean", "n"]],
        [["window", b"\xff" * 100, 0.002, 32, 5, 5, 10]],
        [["quantile", b""]],
        [["random", 3, b"", None]],
        [["array", [10**12], "C", b""]],
        [["tuple", [0]]],
        [["dict", [1], 1], ["list"]],
        [["nothing"]],
        [[]],
        [],
        None,
        7,
    ],
)
def test_what_is_no_part_of_a_learner_is_refused(table: Any) -> None:
    with pytest.raises(Unreadable):
        read_parts(table)
    assert not os.path.exists("evil")  # noqa: PTH110 - what the attack would make


def test_what_has_no_form_is_not_written() -> None:
    for thing in (Evil(), os.system, open, [Evil()], 1 << 70, os):
        with pytest.raises(Unwritable):
            write_parts([thing])


def test_a_pickle_is_no_state() -> None:
    learner = OnlineLearner()
    with pytest.raises(BadProblem, match="no saved learner"):
        learner.load(pickle.dumps(Evil()))
    assert not os.path.exists("evil")  # noqa: PTH110 - as above


def test_what_parts_share_they_share_again() -> None:
    shared: list[Any] = [1.0]
    ring: dict[Any, Any] = {"a": shared, "b": shared, 3: {1, 2}, (1, "x"): None}
    ring["self"] = ring
    made = read_parts(write_parts(ring))
    assert made["a"] is made["b"]
    assert made["self"] is made
    assert made[3] == {1, 2}
    assert made[1, "x"] is None


def test_a_deep_chain_is_no_problem() -> None:
    chain: list[Any] = []
    for _ in range(50_000):
        chain = [chain]
    made = read_parts(write_parts(chain))
    depth = 0
    while made:
        made, depth = made[0], depth + 1
    assert depth == 50_000


def taught() -> OnlineLearner:
    options = OnlineOptions(learner="hoeffding-tree", parameters={"grace_period": 20})
    learner = OnlineLearner(options)
    for one in examples(datasets.Phishing(), 100):
        learner.learn(one)
    return learner


STATE = msgspec.msgpack.decode(taught().save())
SCALARS = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=4), st.binary(max_size=4))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_state_with_something_else_in_some_place_is_refused_or_can_be_saved_again(
    data: st.DataObject,
) -> None:
    state = copy.deepcopy(STATE)
    part = state["parts"][data.draw(st.integers(0, len(state["parts"]) - 1))]
    if part:
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(SCALARS)
    learner = OnlineLearner()
    before = learner.save()
    try:
        learner.load(msgspec.msgpack.encode(state))
    except BadProblem:
        assert learner.save() == before
    else:
        learner.save()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_are_no_state(body: bytes) -> None:
    with pytest.raises(BadProblem):
        OnlineLearner().load(body)


def test_a_state_of_another_version_of_river_is_refused() -> None:
    state = {**STATE, "river": "0.19"}
    with pytest.raises(BadProblem, match=r"0\.19"):
        OnlineLearner().load(msgspec.msgpack.encode(state))


def test_a_state_of_another_model_than_its_options_say_is_refused() -> None:
    state = {**STATE, "options": {"learner": "naive-bayes"}}
    with pytest.raises(BadProblem, match="none of naive-bayes"):
        OnlineLearner().load(msgspec.msgpack.encode(state))


@pytest.mark.parametrize(
    ("learner", "way"),
    [
        (OnlineLearner(OnlineOptions(learner="naive-bayes")), ("progress", "distance")),
        (ValueLearner(), ("rewards", "distance")),
        (Chooser(), ("distance",)),
        (BanditLearner(), ("worth", "distance")),
    ],
)
def test_a_state_whose_moments_have_no_distance_is_refused(
    learner: Any, way: tuple[str, ...]
) -> None:
    saved = msgspec.msgpack.decode(learner.save())
    part = saved
    for name in way[:-1]:
        part = part[name]
    part[way[-1]] = 0
    with pytest.raises(BadProblem):
        learner.load(msgspec.msgpack.encode(saved))
