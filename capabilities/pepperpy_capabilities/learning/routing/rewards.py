"""What a task was worth: the weighted mean of those parts of its reward that are known."""

import math

import msgspec

from pepperpy_schemas.errors import BadProblem
from pepperpy_schemas.learned_routes import RewardWeights
from pepperpy_schemas.states import TaskState


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a child ended.

    Attributes:
        state: Its terminal state.
        seconds: How long it took.
        usd: What it cost, if that is known.
    """

    state: TaskState
    seconds: float
    usd: float | None = None


def parts_of(weights: RewardWeights, ended: Ended) -> dict[str, float]:
    """Returns the parts of a reward, from 0 to 1; none of a task that was canceled.

    What is not known is left out, and so is what is no finite number of 0 or more. A failure is
    neither fast nor cheap.
    """
    if ended.state is TaskState.CANCELED:
        return {}
    done = ended.state is TaskState.COMPLETED
    parts = {"success": float(done)}
    if _is_amount(ended.seconds):
        parts["latency"] = done / (1 + ended.seconds / weights.seconds)
    if ended.usd is not None and _is_amount(ended.usd):
        parts["cost"] = done / (1 + ended.usd / weights.usd)
    return parts


def reward_of(weights: RewardWeights, parts: dict[str, float]) -> float | None:
    """Returns the reward; None when no part that counts is known."""
    counted: dict[str, float] = {
        name: getattr(weights, name) for name in parts if getattr(weights, name) > 0
    }
    whole = sum(counted.values())
    if not whole:
        return None
    # A sum of rounded shares may be a little more than 1.
    return min(1.0, sum(weight * parts[name] for name, weight in counted.items()) / whole)


def check_weights(weights: RewardWeights) -> None:
    """Looks whether rewards can be made.

    Raises:
        BadProblem: No part counts.
    """
    if not (weights.success or weights.latency or weights.cost or weights.rating):
        raise BadProblem(
            "every part of the reward weighs 0",
            hint="give success, latency, cost or rating a weight",
            context={"field": "setting.reward"},
        )


def _is_amount(value: float) -> bool:
    return math.isfinite(value) and value >= 0
