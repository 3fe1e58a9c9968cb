"""LinUCB: an arm's reward is a linear function of the features, and doubt is a reason to try it.

Each arm has a ridge regression of its own; the arm with the highest upper bound of its expected
reward wins: x·θ + α √(xᵀ A⁻¹ x) with A = λI + Σ x xᵀ (L. Li, W. Chu, J. Langford, R. E. Schapire,
"A Contextual-Bandit Approach to Personalized News Article Recommendation", 2010, algorithm 1).

With a discount γ the sums of x xᵀ and r x lose a part of themselves with every reward of any arm,
and the ridge does not (Y. Russac, C. Vernade, O. Cappé, "Weighted Linear Bandits for Non-Stationary
Environments", 2019, with γ in both matrices): an arm that is not pulled becomes doubtful again.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from pepperpy_capabilities.learning.bandits.contexts import (
    MAX_COLUMNS,
    are_finite,
    check_room,
    columns_of,
)
from pepperpy_schemas.learning import Plain
from pepperpy_schemas.learning_bandits import ArmValue, BanditOptions, Pull

if TYPE_CHECKING:
    import random

    import numpy as np
    from numpy.typing import NDArray


class Moments(msgspec.Struct):
    """What is known of an arm: sums over its rewards, each by what it still counts.

    Attributes:
        pulls: How many.
        outer: Σ x xᵀ, row by row, as wide as there were columns.
        weighted: Σ r x.
        at: The moment of which these are the sums.
    """

    pulls: float = 0.0
    outer: list[list[float]] = []
    weighted: list[float] = []
    at: int = 0


class LinUcb(msgspec.Struct, tag="linucb"):
    """What a bandit by LinUCB has learned.

    Attributes:
        columns: The columns of the vectors, in order.
        arms: The sums of each arm.
        moment: How many rewards there were.
        latest: Moment, arm, reward and columns of the last ones, when there is a window.
    """

    columns: list[str] = []
    arms: dict[str, Moments] = {}
    moment: int = 0
    latest: list[tuple[int, str, float, dict[str, float]]] = []

    def check(self, options: BanditOptions, pull: Pull) -> None:  # noqa: ARG002 - any reward will do
        """Looks whether it can learn from a reward.

        Raises:
            TooBig: It would know too many columns.
        """
        columns = {*self.columns, *columns_of(pull.features)}
        check_room(len(columns), MAX_COLUMNS, "columns")

    def learn(self, options: BanditOptions, pull: Pull) -> None:
        """Learns from a reward that was checked."""
        columns = columns_of(pull.features)
        if pull.was is not None:
            self._correct(options, pull, pull.was, columns)
            return
        self.columns += [one for one in columns if one not in self.columns]
        self.moment += 1
        if options.window:
            self.latest.append((self.moment, pull.arm, pull.reward, columns))
            if len(self.latest) > options.window:
                self.latest.pop(0)
            self._reckon_anew()
        else:
            self._add(options.discount, self.moment, pull.arm, pull.reward, columns)

    def _add(
        self, discount: float, moment: int, arm: str, reward: float, columns: dict[str, float]
    ) -> None:
        import numpy as np

        x = self._vector(columns)
        pulls, outer, weighted = self._sums(arm, discount, moment)
        outer += np.outer(x, x)
        weighted += reward * x
        self.arms[arm] = Moments(pulls + 1, outer.tolist(), weighted.tolist(), moment)

    def _reckon_anew(self) -> None:
        import numpy as np

        pulls: dict[str, list[tuple[int, float, dict[str, float]]]] = {}
        for moment, arm, reward, columns in self.latest:
            pulls.setdefault(arm, []).append((moment, reward, columns))
        self.arms = {}
        for arm, own in pulls.items():
            # All at once: one after the other takes seconds in a window of thousands.
            x = np.array([self._vector(columns) for _, _, columns in own])
            weighted = x.T @ np.array([reward for _, reward, _ in own])
            self.arms[arm] = Moments(len(own), (x.T @ x).tolist(), weighted.tolist(), own[-1][0])

    def _correct(
        self, options: BanditOptions, pull: Pull, was: float, columns: dict[str, float]
    ) -> None:
        at = self.moment if pull.at is None else pull.at
        if options.window:
            self.latest = [
                (moment, arm, pull.reward if (moment, arm) == (at, pull.arm) else reward, seen)
                for moment, arm, reward, seen in self.latest
            ]
            self._reckon_anew()
        elif (there := self.arms.get(pull.arm)) is not None:
            kept = options.discount ** max(0, there.at - at)
            _, _, weighted = self._sums(pull.arm, 1.0, there.at)
            weighted += (pull.reward - was) * kept * self._vector(columns)
            there.weighted = weighted.tolist()

    def is_sound(self) -> bool:
        """Returns whether it can be reckoned with, whoever wrote it."""
        return (
            len(self.columns) <= MAX_COLUMNS
            and all(
                len(one.weighted) <= len(self.columns)
                and len(one.outer) == len(one.weighted)
                and all(len(row) == len(one.weighted) for row in one.outer)
                and 0 <= one.at <= self.moment
                and are_finite(
                    one.pulls, *one.weighted, *(number for row in one.outer for number in row)
                )
                for one in self.arms.values()
            )
            and all(are_finite(reward, *seen.values()) for _, _, reward, seen in self.latest)
        )

    def moment_in(self, features: dict[str, Plain]) -> int:  # noqa: ARG002 - of all contexts
        """Returns how many rewards there were."""
        return self.moment

    def known(self) -> list[str]:
        """Returns the arms that were ever pulled."""
        return sorted(self.arms)

    def values(
        self,
        options: BanditOptions,
        arms: list[str],
        features: dict[str, Plain],
        chance: "random.Random",  # noqa: ARG002 - it draws nothing
    ) -> list[ArmValue]:
        """Returns what is known of arms, each with its upper bound."""
        import numpy as np

        columns = columns_of(features)
        strange = sum(value * value for name, value in columns.items() if name not in self.columns)
        x = self._vector(columns)
        discount = 1.0 if options.window else options.discount
        found = []
        for arm in arms:
            pulls, outer, weighted = self._sums(arm, discount, self.moment)
            # By its axes, none of which is shorter than the ridge: beside numbers of 10⁶ a ridge of
            # 1 would be rounded away, and the matrix could not be inverted.
            lengths, axes = np.linalg.eigh(outer)
            lengths = np.maximum(lengths, 0.0) + options.ridge
            turned = axes.T @ x
            # Of columns that were never seen only the ridge is known.
            square = float(turned @ (turned / lengths)) + strange / options.ridge
            value, deviation = float(turned @ ((axes.T @ weighted) / lengths)), square**0.5
            found.append(ArmValue(arm, value, deviation, value + options.width * deviation, pulls))
        return found

    def _vector(self, columns: dict[str, float]) -> "NDArray[np.float64]":
        import numpy as np

        return np.array([columns.get(name, 0.0) for name in self.columns], dtype=np.float64)

    def _sums(self, arm: str, discount: float, moment: int) -> tuple[float, Any, Any]:
        """The sums of an arm at a moment, as wide as the vectors are by now."""
        import numpy as np

        there = self.arms.get(arm, Moments(at=moment))
        kept, known = discount ** (moment - there.at), len(there.weighted)
        outer = np.zeros((len(self.columns), len(self.columns)))
        weighted = np.zeros(len(self.columns))
        if known:
            outer[:known, :known] = np.array(there.outer) * kept
            weighted[:known] = np.array(there.weighted) * kept
        return there.pulls * kept, outer, weighted
