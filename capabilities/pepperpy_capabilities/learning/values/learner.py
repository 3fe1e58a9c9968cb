"""Learns what actions are worth by their rewards: Q-learning and SARSA, in a table.

The rules are those of R. S. Sutton and A. G. Barto, "Reinforcement Learning", second edition, 2018:
SARSA in section 6.4, Q-learning in 6.5.
"""

import math
import random
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from pepperpy_capabilities.learning.values.rewards import Rewards
from pepperpy_capabilities.learning.values.table import LARGEST, Entry, Table, key_of
from pepperpy_schemas.errors import BadExample, BadProblem
from pepperpy_schemas.learning_values import ActionValue, Choice, Situation, Step, ValueOptions
from pepperpy_schemas.problems import Measured

MOST_TOLD = 20
"""Most actions whose values are told with a choice."""


class SavedValues(msgspec.Struct, kw_only=True):
    """A learner of values as it is saved.

    Attributes:
        kind: What it is, so that nothing else is taken for it.
        options: The learner's.
        table: What actions are worth.
        rewards: Its figures.
    """

    kind: Literal["pepperpy-values"] = "pepperpy-values"
    options: ValueOptions
    table: Table
    rewards: Rewards


class ValueLearner:
    """Learns what actions are worth where, and chooses the best.

    Args:
        options: How it learns.

    Attributes:
        options: The same.

    Example:
        ```python
        learner = ValueLearner(ValueOptions(method="sarsa"))
        learner.learn(Step(state=[0, 0], action="right", reward=-1, next=[0, 1], next_action="up"))
        learner.predict(Situation(state=[0, 0])).action
        ```
    """

    name = "values"
    example = Step
    asked = Situation
    guess = Choice
    options_type = ValueOptions

    def __init__(self, options: ValueOptions | None = None) -> None:
        self.options = options or ValueOptions()
        self.reset()

    def reset(self) -> None:
        """Forgets all it has learned, and keeps its options."""
        self._table = Table()
        self._rewards = Rewards()

    @property
    def learned(self) -> int:
        """How many steps it has learned from."""
        return self._rewards.steps

    @property
    def exploration(self) -> float:
        """How probable a random action is now."""
        options = self.options
        if not options.exploration_steps:
            return options.exploration
        done = min(1.0, self.learned / options.exploration_steps)
        return options.exploration + (options.least_exploration - options.exploration) * done

    def learn(self, example: Step) -> None:
        """Moves the value of an action towards what came of it.

        Raises:
            BadExample: The reward is no number, a state or action is none, or SARSA is not told
                the next action.
            TooBig: The table has no room for one more state or action.
        """
        state, action = key_of(example.state, "state"), key_of(example.action, "action")
        if not abs(example.reward) <= LARGEST:
            raise BadExample(
                f"the reward is {example.reward}: a number is between {-LARGEST:g} and {LARGEST:g}",
                context={"field": "reward"},
            )
        target = example.reward + self.options.discount * self._after(example)
        self._table.check_room(state, action)
        value = self._table.value(state, action, self.options.initial)
        moved = value + self.options.rate * (target - value)
        self._table.set(state, action, max(-LARGEST, min(LARGEST, moved)))
        self._rewards.note(example.reward, end=example.end)

    def _after(self, step: Step) -> float:
        """What is still to come after a step."""
        if step.end:
            return 0.0
        following = key_of(step.next, "next")
        if self.options.method == "q-learning":
            actions = [key_of(one, "actions") for one in step.actions]
            return self._table.best(following, actions, self.options.initial)
        if step.next_action is None:
            raise BadExample(
                "sarsa is not told the next action",
                hint="send next_action with each step that is not the end, or use q-learning",
                context={"field": "next_action"},
            )
        action = key_of(step.next_action, "next_action")
        return self._table.value(following, action, self.options.initial)

    def predict(self, asked: Situation) -> Choice:
        """Returns the best action, or now and then a random one; changes nothing.

        Of actions that are worth the same, the one that was tried least is taken, then the first.

        Raises:
            BadExample: The state or an action is none, or no action is known there.
        """
        state = key_of(asked.state, "state")
        known = self._table.rows.get(state, {})
        actions: dict[str, Any] = {key_of(one, "actions"): one for one in asked.actions}
        if not actions:
            actions = {key: msgspec.json.decode(key) for key in known}
        if not actions:
            raise BadExample(
                f"nothing was ever done in {state:.80}",
                hint="say with actions what can be done there",
                context={"field": "actions"},
            )
        entries = {key: known.get(key, Entry(self.options.initial, 0)) for key in actions}
        order = sorted(actions, key=lambda key: (-entries[key].value, entries[key].tried))
        chance = random.Random(asked.seed)  # noqa: S311 - exploring is no secret
        explored = asked.explore and chance.random() < self.exploration
        chosen = chance.choice(list(actions)) if explored else order[0]
        values = [
            ActionValue(actions[key], entries[key].value, entries[key].tried)
            for key in order[:MOST_TOLD]
        ]
        return Choice(
            action=actions[chosen],
            values=values,
            explored=explored,
            exploration=self.exploration,
            explanation=self._why(chosen, order, entries, explored=explored),
        )

    def _why(
        self, chosen: str, order: list[str], entries: dict[str, Entry], *, explored: bool
    ) -> str:
        if explored:
            reason = f"by chance, as one choice in {1 / self.exploration:.3g} is"
        else:
            reason = f"because {entries[chosen].value:.4g} is expected of it, the most of all"
        lines = [f"{chosen}, {reason}; by {self.options.method} after {self.learned} steps"]
        lines += [
            f"  {key}: {entries[key].value:.4g}, tried {entries[key].tried} times"
            for key in order[:MOST_TOLD]
        ]
        return "\n".join(lines)

    def evaluate(self) -> Sequence[Measured]:
        """Returns the rewards over time, by step and by episode."""
        return self._rewards.over_time()

    def save(self) -> bytes:
        """Returns the whole state."""
        return msgspec.msgpack.encode(
            SavedValues(options=self.options, table=self._table, rewards=self._rewards)
        )

    def load(self, state: bytes) -> None:
        """Takes over a state, with the options of who saved it.

        Raises:
            BadProblem: It is none.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=SavedValues)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadProblem(f"this is no saved learner of values: {error}") from None
        entries = [one for row in saved.table.rows.values() for one in row.values()]
        if saved.rewards.distance < 1 or not all(math.isfinite(one.value) for one in entries):
            raise BadProblem("the saved values are no numbers")
        saved.table.size = len(entries)
        self.options, self._table, self._rewards = saved.options, saved.table, saved.rewards

    def begin_with(self, other: "ValueLearner") -> None:
        """Takes over what another one knows, and counts its own rewards from now on (warm start).

        What that one tried counts as never tried.
        """
        own = self.options
        self.load(other.save())
        self.options, self._rewards = own, Rewards()
        for row in self._table.rows.values():
            for entry in row.values():
                entry.tried = 0
