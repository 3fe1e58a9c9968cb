"""What an agent costs, and ours beside those of others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from statistics import median

from benchmarks.parts.ground import Figures

OURS = "PepperPy"


@dataclass(frozen=True)
class Cost:
    """What an agent costs.

    Attributes:
        cpu_us: Processor time of its process, µs.
        kib: Memory of its process, KiB.
        broker_cpu_us: Processor time of the broker, µs.
        broker_kib: Memory of the broker, KiB.
    """

    cpu_us: float
    kib: float
    broker_cpu_us: float = 0.0
    broker_kib: float = 0.0

    def __add__(self, more: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(astuple(self), astuple(more), strict=True)))

    @property
    def all_cpu_us(self) -> float:
        """Processor time, the broker's too."""
        return self.cpu_us + self.broker_cpu_us

    @property
    def all_kib(self) -> float:
        """Memory, the broker's too."""
        return self.kib + self.broker_kib


@dataclass(frozen=True)
class Round:
    """What an agent cost in one round: to create, and to create and register."""

    version: str
    created: Cost
    registered: Cost


def figures_of(rounds: Mapping[str, Sequence[Round]]) -> Figures:
    """Returns the medians of ours, and ours beside each peer.

    Processor time is compared within a round, where the machine was the same for both.
    """
    ours = rounds[OURS]
    registered = _median([one.registered for one in ours])
    figures: Figures = {
        "created_cpu_us": median(one.created.cpu_us for one in ours),
        "created_kib": median(one.created.kib for one in ours),
        "registered_cpu_us": registered.cpu_us,
        "registered_broker_cpu_us": registered.broker_cpu_us,
        "registered_kib": registered.kib,
        "registered_broker_kib": registered.broker_kib,
    }
    phases: dict[str, Callable[[Round], Cost]] = {
        "created": lambda one: one.created,
        "registered": lambda one: one.registered,
    }
    for peer in (name for name in rounds if name != OURS):
        for phase, of in phases.items():
            a, b = ([of(one) for one in rounds[name]] for name in (OURS, peer))
            pairs = zip(a, b, strict=True)
            cpu = median(one.all_cpu_us / other.all_cpu_us for one, other in pairs)
            figures[f"{phase}_cpu_vs_{peer.lower()}"] = cpu
            kept = _median(b).all_kib
            # Memory comes in pages: that of few agents may not be seen at all.
            memory = _median(a).all_kib / kept if kept > 0 else None
            figures[f"{phase}_memory_vs_{peer.lower()}"] = memory
    return figures


def table(rounds: Mapping[str, Sequence[Round]]) -> list[str]:
    """Returns the lines of a table with the medians of all; of ours the broker's share, too."""
    lines = [
        f"{'each':28}{'created':>20}{'and registered':>20}{'in the broker':>20}",
        f"{'':28}" + f"{'CPU µs':>10}{'KiB':>10}" * 3,
    ]
    for name, found in rounds.items():
        created = _median([one.created for one in found])
        registered = _median([one.registered for one in found])
        cells = [created.cpu_us, created.kib, *astuple(registered)]
        shown = cells if name == OURS else cells[:4]
        version = found[0].version.split()[-1]
        lines.append(f"{name + ' ' + version:28}" + "".join(f"{one:10.1f}" for one in shown))
    return lines


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(median, zip(*map(astuple, costs), strict=True)))
