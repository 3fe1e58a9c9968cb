"""What theory says of the regret of bandits whose arms do not change: to compare with.

Regret is what was lost against always pulling the best arm.
"""

import math
from collections.abc import Sequence


def lai_robbins(means: Sequence[float], pulls: int) -> float:
    """Returns the asymptotic lower bound of the regret of any good policy for successes.

    Σ (μ* - μᵢ) ln T / kl(μᵢ, μ*) (T. L. Lai and H. Robbins, "Asymptotically Efficient Adaptive
    Allocation Rules", 1985). Thompson sampling reaches it (E. Kaufmann, N. Korda, R. Munos 2012);
    with few pulls any policy may be above or below it.

    Args:
        means: How probable the success of each arm is.
        pulls: How many pulls.
    """
    best = max(means)
    return sum(
        (best - mean) * math.log(pulls) / _divergence(mean, best) for mean in means if mean < best
    )


def ucb1(means: Sequence[float], pulls: int) -> float:
    """Returns the upper bound of the regret of UCB1, for any number of pulls.

    Σ 8 ln T / Δᵢ + (1 + π²/3) Σ Δᵢ (P. Auer, N. Cesa-Bianchi, P. Fischer, "Finite-time Analysis of
    the Multiarmed Bandit Problem", 2002, theorem 1).
    """
    gaps = [max(means) - mean for mean in means if mean < max(means)]
    return sum(8 * math.log(pulls) / gap for gap in gaps) + (1 + math.pi**2 / 3) * sum(gaps)


def uniform(means: Sequence[float], pulls: int) -> float:
    """Returns the regret that is expected of pulling each arm equally often."""
    return pulls * (max(means) - sum(means) / len(means))


def _divergence(p: float, q: float) -> float:
    """The Kullback-Leibler divergence of two coins."""

    def part(a: float, b: float) -> float:
        if a == 0:
            return 0.0
        return a * math.log(a / b) if b else math.inf

    return part(p, q) + part(1 - p, 1 - q)
