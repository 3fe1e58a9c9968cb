"""How another version of an agent did what the live one has done."""

import statistics
from typing import Literal

import msgspec

from pepperpy_agents.shadowing.differences import Difference

Verdict = Literal["equal", "different", "diverged", "skipped"]
"""``diverged``: the shadow came to something that the live task did not do, so its end is unknown.
``skipped``: there was nothing to compare with."""


class Comparison(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One task, done by both.

    Attributes:
        task_id: The task; empty when it is not known.
        verdict: Whether both did the same.
        live: How the live version ended: ``completed``, or the error's code.
        shadow: How the other one did.
        differences: Where the results differ.
        reason: Why there is no comparison.
        live_ms: Milliseconds that the live version took, when it took one attempt without a wait.
        shadow_ms: Milliseconds that the other one took, with those of the live steps it was given.
    """

    task_id: str
    verdict: Verdict
    live: str = ""
    shadow: str = ""
    differences: list[Difference] = []
    reason: str = ""
    live_ms: float | None = None
    shadow_ms: float | None = None

    @property
    def ratio(self) -> float | None:
        """How much longer the shadow took; below 1 when it was quicker."""
        if not self.live_ms or self.shadow_ms is None:
            return None
        return self.shadow_ms / self.live_ms


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons together.

    Attributes:
        equal: Tasks that both did the same.
        different: Tasks that they did differently.
        diverged: Tasks in which the shadow came to something that the live version did not do.
        skipped: Tasks that could not be compared.
        missed: Tasks that were not looked at, because too many others were.
        live_p50_ms: Median of the live version's times, of the tasks with both.
        shadow_p50_ms: Median of the shadow's.
    """

    equal: int = 0
    different: int = 0
    diverged: int = 0
    skipped: int = 0
    missed: int = 0
    live_p50_ms: float | None = None
    shadow_p50_ms: float | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was different."""
        return not self.different and not self.diverged


class Tally:
    """Counts comparisons.

    Attributes:
        missed: Tasks that were not looked at.
    """

    def __init__(self) -> None:
        self.missed = 0
        self._verdicts: dict[Verdict, int] = {}
        self._times: list[tuple[float, float]] = []

    def add(self, one: Comparison) -> None:
        """Counts one more."""
        self._verdicts[one.verdict] = self._verdicts.get(one.verdict, 0) + 1
        if one.live_ms is not None and one.shadow_ms is not None:
            self._times.append((one.live_ms, one.shadow_ms))

    def summary(self) -> Summary:
        """Returns all of them together."""
        live, shadow = (
            [round(statistics.median(times), 3) for times in zip(*self._times, strict=True)]
            if self._times
            else (None, None)
        )
        verdicts = {str(verdict): count for verdict, count in self._verdicts.items()}
        return Summary(**verdicts, missed=self.missed, live_p50_ms=live, shadow_p50_ms=shadow)
