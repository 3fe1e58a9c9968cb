"""Both bandits do what every learner must do, with each way to forget."""

import random
from typing import Any, ClassVar

import msgspec
import pytest

from pepperpy_capabilities.conformance import LearnerConformance
from pepperpy_capabilities.learning.bandits.contexts import MAX_COLUMNS, MAX_CONTEXTS
from pepperpy_capabilities.learning.bandits.learner import BanditLearner
from pepperpy_schemas.errors import BadExample, BadProblem, TooBig
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import MAX_ARMS, BanditOptions, Pull, Pulling

WAYS = {
    "thompson": BanditOptions(seed=3),
    "thompson-discounted": BanditOptions(discount=0.9),
    "thompson-window": BanditOptions(window=20),
    "thompson-numbers": BanditOptions(rewards="number", discount=0.95),
    "linucb": BanditOptions(method="linucb"),
    "linucb-discounted": BanditOptions(method="linucb", discount=0.95),
    "linucb-window": BanditOptions(method="linucb", window=25),
}
NAN, INF = float("nan"), float("inf")


def pulls(count: int = 80) -> list[Pull]:
    chance = random.Random(1)
    return [
        Pull(
            arm=chance.choice("abc"),
            reward=chance.random(),
            features={"kind": chance.choice(["code", "mail"]), "urgent": chance.random() < 0.5},
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("way", list(WAYS))
class TestBandit(LearnerConformance):
    way: str
    examples = pulls()
    asked = Pulling(arms=["a", "b", "c", "new"], features={"kind": "code", "urgent": True}, seed=7)
    unusable: ClassVar[list[Any]] = [
        Pull(arm="a", reward=NAN),
        Pull(arm="a", reward=INF),
        Pull(arm="a", reward=-1e10),
        Pull(arm="a", reward=0.5, was=NAN),
        Pull(arm="never pulled", reward=0.5, was=0.5),
        Pull(arm="a", reward=0.5, features={"size": NAN}),
        Pull(arm="a", reward=0.5, features={"size": 1e7}),
        Pull(arm="a", reward=0.5, features={"": 1}),
        Pull(arm="a", reward=0.5, features={"kind": "x" * 129}),
        Pull(arm="a", reward=0.5, features={f"f{n}": True for n in range(33)}),
    ]

    @pytest.fixture(autouse=True)
    def _of(self, way: str) -> None:
        self.way = way

    def make(self) -> BanditLearner:
        return BanditLearner(WAYS[self.way])

    def test_each_arm_has_its_value_and_its_uncertainty_in_the_explanation(self) -> None:
        guess = self.taught().predict(self.asked)
        assert guess.arm == guess.arms[0].arm
        assert {one.arm for one in guess.arms} == {"a", "b", "c", "new"}
        scores = [one.score for one in guess.arms]
        assert scores == sorted(scores, reverse=True)
        assert all(one.uncertainty > 0 for one in guess.arms)
        assert all(f"  {one.arm}: value " in guess.explanation for one in guess.arms)

    def test_a_reward_that_takes_the_place_of_another_is_as_if_it_had_been_the_first(self) -> None:
        right, corrected = self.make(), self.make()
        moments = []
        for example in self.examples:
            right.learn(msgspec.structs.replace(example, reward=1 - example.reward))
            corrected.learn(example)
            moments.append(corrected.moment(example.features))
        for example, at in zip(self.examples, moments, strict=True):
            corrected.learn(
                msgspec.structs.replace(
                    example, reward=1 - example.reward, was=example.reward, at=at
                )
            )
        assert corrected.learned == right.learned
        for one, two in zip(
            corrected.predict(self.asked).arms, right.predict(self.asked).arms, strict=True
        ):
            assert one.arm == two.arm
            assert one.pulls == pytest.approx(two.pulls)
            assert one.value == pytest.approx(two.value, abs=1e-9)
            assert one.uncertainty == pytest.approx(two.uncertainty, abs=1e-9)
        for bandit in (corrected, right):
            bandit.learn(self.examples[0])  # moments that are past keep their figures
        ends = [bandit.evaluate()[-1].figures["reward"] for bandit in (corrected, right)]
        assert ends[0] == pytest.approx(ends[1])

    def test_it_begins_warm_with_what_another_knows(self) -> None:
        warm = self.make()
        warm.begin_with(self.taught())
        assert warm.predict(self.asked).arms == self.taught().predict(self.asked).arms
        assert not warm.learned


def test_more_arms_contexts_or_columns_than_it_may_know_are_refused() -> None:
    one = BanditLearner()
    for n in range(MAX_ARMS):
        one.learn(Pull(arm=f"arm{n}", reward=1))
    with pytest.raises(TooBig, match="arms"):
        one.learn(Pull(arm="one more", reward=1))
    for n in range(MAX_CONTEXTS - 1):
        one.learn(Pull(arm="arm0", reward=1, features={"n": str(n)}))
    with pytest.raises(TooBig, match="contexts"):
        one.learn(Pull(arm="arm0", reward=1, features={"n": "one more"}))
    two = BanditLearner(BanditOptions(method="linucb"))
    for n in range(MAX_COLUMNS - 1):
        two.learn(Pull(arm="a", reward=1, features={"n": str(n)}))
    with pytest.raises(TooBig, match="columns"):
        two.learn(Pull(arm="a", reward=1, features={"n": "one more"}))


def test_thompson_refuses_numbers_as_features_and_shares_beyond_one() -> None:
    one = BanditLearner()
    with pytest.raises(BadExample, match="linucb takes numbers"):
        one.learn(Pull(arm="a", reward=1, features={"size": 3}))
    with pytest.raises(BadExample, match="between 0 and 1"):
        one.learn(Pull(arm="a", reward=1.5))
    one.learn(Pull(arm="a", reward=1))
    with pytest.raises(BadExample, match="was -500 is not between 0 and 1"):
        one.learn(Pull(arm="a", reward=1, was=-500))
    with pytest.raises(BadExample, match="linucb takes numbers"):
        one.predict(Pulling(arms=["a"], features={"size": 3.5}))


def test_one_pull_is_no_plural() -> None:
    bandit = BanditLearner(BanditOptions())
    bandit.learn(Pull(arm="a", reward=1.0))
    explanation = bandit.predict(Pulling(arms=["a", "b"])).explanation
    assert "after 1 pull, drawn " in explanation
    assert "after 0 pulls, drawn " in explanation
    assert explanation.splitlines()[0].endswith("; 1 reward learned")


def test_linucb_learns_that_a_number_decides() -> None:
    one = BanditLearner(BanditOptions(method="linucb", width=0.3))
    chance = random.Random(5)
    for _ in range(300):
        size, arm = chance.random(), chance.choice(["short", "long"])
        reward = size if arm == "long" else 1 - size
        one.learn(Pull(arm=arm, reward=reward, features={"size": size}))
    guess = one.predict(Pulling(features={"size": 0.9}))
    assert guess.arm == "long"
    assert {a.arm: a.value for a in guess.arms} == pytest.approx(
        {"long": 0.9, "short": 0.1}, abs=0.05
    )
    assert one.predict(Pulling(features={"size": 0.1})).arm == "short"


def test_linucb_lives_with_large_numbers_that_all_say_the_same() -> None:
    one = BanditLearner(BanditOptions(method="linucb"))
    seen: dict[str, Plain] = {"x": 1e6, "y": 1e6, "z": 1e6}
    column = 10_000.0  # so often it was pulled, each time with the same features
    values = [1.0, 1e6, 1e6, 1e6]
    one.learn(Pull(arm="a", reward=1, features=seen))
    saved = msgspec.msgpack.decode(one.save())
    saved["known"]["arms"]["a"] |= {
        "pulls": column,
        "outer": [[column * a * b for b in values] for a in values],
        "weighted": [column * a for a in values],
    }
    one.load(msgspec.msgpack.encode(saved))
    known = one.predict(Pulling(features=seen)).arms[0]
    assert known.value == pytest.approx(1, abs=1e-3)
    assert known.uncertainty == pytest.approx(0.01, rel=1e-3)


def test_a_window_is_as_if_nothing_had_been_before_it() -> None:
    chance = random.Random(2)
    window = 7
    all_of_them = [
        Pull(
            arm=chance.choice("abc"),
            reward=chance.random(),
            features={"kind": chance.choice("xy"), "size": chance.random()},
        )
        for _ in range(40)
    ]
    one = BanditLearner(BanditOptions(method="linucb", window=window))
    other = BanditLearner(BanditOptions(method="linucb"))
    for learner, some in ((one, all_of_them), (other, all_of_them[-window:])):
        for pull in some:
            learner.learn(pull)
    asked = Pulling(arms=["a", "b", "c"], features={"kind": "x", "size": 0.3})
    for mine, its in zip(one.predict(asked).arms, other.predict(asked).arms, strict=True):
        assert mine.score == pytest.approx(its.score)
        assert (mine.arm, mine.pulls) == (its.arm, its.pulls)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("number", [NAN, INF, -INF])
def test_a_saved_bandit_whose_numbers_nobody_can_reckon_with_is_refused(
    name: str, number: float
) -> None:
    one = BanditLearner(WAYS[name])
    one.learn(Pull(arm="a", reward=0.5))
    saved = msgspec.msgpack.decode(one.save())
    known = saved["known"]
    arm = (known.get("arms") or known["contexts"][""]["arms"])["a"]
    for field in ("pulls", "total") if "total" in arm else ("pulls",):
        before, arm[field] = arm[field], number
        with pytest.raises(BadProblem, match="reckoned with"):
            BanditLearner().load(msgspec.msgpack.encode(saved))
        arm[field] = before
    arm["at"] = 10**6
    with pytest.raises(BadProblem, match="reckoned with"):
        BanditLearner().load(msgspec.msgpack.encode(saved))


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadProblem, match="not by both"):
        BanditLearner(BanditOptions(window=10, discount=0.9))
    with pytest.raises(BadProblem, match="cannot begin"):
        BanditLearner().begin_with(BanditLearner(BanditOptions(method="linucb")))


def test_a_bandit_without_arms_says_so() -> None:
    guess = BanditLearner().predict(Pulling())
    assert guess.arm is None
    assert "no arm" in guess.explanation
