"""Values of actions: problems of the textbook, whose best paths are known."""

import random
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_capabilities.conformance import LearnerConformance
from pepperpy_capabilities.learning.values import table
from pepperpy_capabilities.learning.values.learner import ValueLearner
from pepperpy_capabilities.learning.values.table import key_of
from pepperpy_schemas.errors import BadExample, BadProblem, TooBig
from pepperpy_schemas.learning_values import Situation, Step, ValueOptions

Place = tuple[int, int]
MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
ACTIONS = list(MOVES)
World = Callable[[Place, str], tuple[Place, float, bool]]

ROWS, COLUMNS = 4, 12
START, GOAL = (3, 0), (3, 11)


def cliff(place: Place, action: str) -> tuple[Place, float, bool]:
    """Cliff walking (Sutton and Barto, example 6.6): -1 a step, -100 and back for the cliff."""
    row, column = (a + b for a, b in zip(place, MOVES[action], strict=True))
    there = (min(max(row, 0), ROWS - 1), min(max(column, 0), COLUMNS - 1))
    if there[0] == ROWS - 1 and 0 < there[1] < COLUMNS - 1:
        return START, -100.0, False
    return there, -1.0, there == GOAL


LAKE = ("SFFF", "FHFH", "FFFH", "HFFG")


def lake(place: Place, action: str) -> tuple[Place, float, bool]:
    """FrozenLake 4x4 that is not slippery: 1 at the goal, the end in a hole."""
    row, column = (min(max(a + b, 0), 3) for a, b in zip(place, MOVES[action], strict=True))
    there = LAKE[row][column]
    return (row, column), float(there == "G"), there in "GH"


def walk(
    learner: ValueLearner, world: World, start: Place, episodes: int, chance: random.Random
) -> list[float]:
    """Lets a learner walk; returns the reward of each episode."""
    rewards = []
    for _ in range(episodes):
        place, total, end, steps = start, 0.0, False, 0
        action = choose(learner, place, chance)
        while not end and steps < 2000:
            there, reward, end = world(place, action)
            following = "" if end else choose(learner, there, chance)
            learner.learn(
                Step(
                    state=place,
                    action=action,
                    reward=reward,
                    next=there,
                    actions=ACTIONS,
                    next_action=following or None,
                    end=end,
                )
            )
            place, action, total, steps = there, following, total + reward, steps + 1
        rewards.append(total)
    return rewards


def choose(learner: ValueLearner, place: Place, chance: random.Random) -> str:
    asked = Situation(state=place, actions=ACTIONS, explore=True, seed=chance.getrandbits(50))
    action: str = learner.predict(asked).action
    return action


def path(learner: ValueLearner, world: World, start: Place) -> list[Place]:
    """The way that the best actions go."""
    places, end = [start], False
    while not end and len(places) < 50:
        action = learner.predict(Situation(state=places[-1], actions=ACTIONS)).action
        there, _, end = world(places[-1], action)
        places.append(there)
    return places


def test_at_the_cliff_q_learning_goes_along_the_edge_and_sarsa_keeps_away_from_it() -> None:
    found: dict[str, tuple[list[Place], float]] = {}
    for method in ("q-learning", "sarsa"):
        options = ValueOptions(method=method, rate=0.1, discount=1.0, exploration=0.1)
        learner = ValueLearner(options)
        rewards = walk(learner, cliff, START, 1500, random.Random(5))
        found[method] = (path(learner, cliff, START), sum(rewards[-500:]) / 500)
    edge = [START, *((2, column) for column in range(COLUMNS)), GOAL]
    assert found["q-learning"][0] == edge
    safe = found["sarsa"][0]
    assert safe[-1] == GOAL
    assert len(safe) > len(edge)
    assert not any(place[0] == 2 for place in safe[2:-2])
    # Who explores at the edge falls down: SARSA, which reckons with that, has more of it.
    assert found["sarsa"][1] > found["q-learning"][1] + 10


def test_on_the_frozen_lake_the_shortest_way_is_found() -> None:
    options = ValueOptions(
        rate=0.8, discount=0.95, exploration=1.0, least_exploration=0.05, exploration_steps=3000
    )
    learner = ValueLearner(options)
    walk(learner, lake, (0, 0), 800, random.Random(3))
    way = path(learner, lake, (0, 0))
    assert len(way) == 7
    assert way[-1] == (3, 3)
    # The value of the first step is the reward of the last, discounted five times.
    best = learner.predict(Situation(state=(0, 0))).values[0]
    assert best.value == pytest.approx(0.95**5, rel=1e-3)


def test_who_begins_with_what_another_knows_needs_fewer_steps() -> None:
    options = ValueOptions(rate=0.5, discount=1.0, exploration=0.05)
    other = ValueLearner(options)
    walk(other, cliff, START, 300, random.Random(1))

    def longer(place: Place, action: str) -> tuple[Place, float, bool]:
        """The same cliff, where a wall above the goal leaves one way around it."""
        there, reward, end = cliff(place, action)
        return (place, reward, False) if there == (2, 9) else (there, reward, end)

    warm, cold = ValueLearner(options), ValueLearner(options)
    warm.begin_with(other)
    assert warm.learned == 0
    rewards = [
        sum(walk(one, longer, START, 20, random.Random(seed)))
        for one, seed in ((warm, 2), (cold, 2))
    ]
    assert rewards[0] > rewards[1]


def test_exploration_goes_down_in_a_straight_line() -> None:
    options = ValueOptions(exploration=1.0, least_exploration=0.2, exploration_steps=8)
    learner = ValueLearner(options)
    seen = []
    for _ in range(10):
        seen.append(learner.exploration)
        learner.learn(Step(state=0, action=0, reward=0.0, end=True))
    assert seen == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2])
    chosen = [
        learner.predict(Situation(state=1, actions=[1, 2, 3, 4], explore=True, seed=seed)).explored
        for seed in range(2000)
    ]
    assert 0.15 < sum(chosen) / 2000 < 0.25


def test_the_same_state_written_otherwise_is_the_same() -> None:
    assert key_of({"b": 1.0, "a": [True]}, "state") == key_of({"a": [True], "b": 1}, "state")
    assert key_of("1", "state") != key_of(1, "state")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.integers()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(state=JSON, action=JSON, reward=st.floats())
def test_any_step_is_learned_or_refused_and_values_stay_numbers(
    state: Any, action: Any, reward: float
) -> None:
    learner = ValueLearner()
    try:
        learner.learn(Step(state=state, action=action, reward=reward, end=True))
    except BadExample:
        assert learner.learned == 0
    else:
        guess = learner.predict(Situation(state=state))
        assert abs(guess.values[0].value) <= table.LARGEST
        learner.load(learner.save())


@pytest.mark.parametrize("limit", ["MAX_STATES", "MAX_ACTIONS", "MAX_ENTRIES"])
def test_a_table_without_end_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, limit, 10)
    learner = ValueLearner()
    for n in range(10):
        state, action = (0, n) if limit == "MAX_ACTIONS" else (n, 0)
        learner.learn(Step(state=state, action=action, reward=1.0, end=True))
    before = learner.save()
    state, action = (0, 11) if limit == "MAX_ACTIONS" else (11, 0)
    with pytest.raises(TooBig):
        learner.learn(Step(state=state, action=action, reward=1.0, end=True))
    assert learner.save() == before
    learner.learn(Step(state=0, action=0, reward=1.0, end=True))


def test_values_that_are_no_numbers_are_not_loaded() -> None:
    learner = ValueLearner()
    learner.learn(Step(state="s", action="a", reward=1.0, end=True))
    learner._table.rows['"s"']['"a"'].value = float("nan")
    with pytest.raises(BadProblem, match="no numbers"):
        ValueLearner().load(learner.save())


class TestQLearning(LearnerConformance):
    examples: ClassVar[list[Any]] = [
        Step(state={"n": n}, action="go", reward=1.0, next={"n": n + 1}, actions=["go"])
        for n in range(20)
    ] + [Step(state={"n": 20}, action="stop", reward=9.0, end=True)]
    asked: ClassVar[Any] = Situation(state={"n": 3}, actions=["go", "stop"])
    unusable: ClassVar[list[Any]] = [
        Step(state=1, action=1, reward=float("nan"), end=True),
        Step(state=1, action=1, reward=float("inf"), end=True),
        Step(state="x" * 2000, action=1, reward=1.0, end=True),
        Step(state=1, action=float("nan"), reward=1.0, end=True),
    ]

    def make(self) -> ValueLearner:
        return ValueLearner()


class TestSarsa(LearnerConformance):
    examples: ClassVar[list[Any]] = [
        Step(state=n % 5, action="a", reward=1.0, next=(n + 1) % 5, next_action="a")
        for n in range(30)
    ]
    asked: ClassVar[Any] = Situation(state=3)
    unusable: ClassVar[list[Any]] = [
        *TestQLearning.unusable,
        Step(state=1, action="a", reward=1.0, next=2),
    ]

    def make(self) -> ValueLearner:
        return ValueLearner(ValueOptions(method="sarsa"))
