"""A proof as a picture: what it proves on the left, what was given on the right."""

from collections.abc import Sequence
from pathlib import Path

from pepperpy_capabilities.pictures.picture import COLOURS, FAINT, picture, shortened
from pepperpy_capabilities.reasoning.rules.showing import reason
from pepperpy_schemas.rules import Step

_COLOUR = {"fact": COLOURS[2], "rule": COLOURS[0], "choice": COLOURS[1]}
_ROW, _LETTER, _GAP = 0.45, 0.076, 0.5  # inches
_MOST_STEPS = 300


def draw_proof(proof: Sequence[Step], file: Path) -> None:
    """Draws a proof into a file; beyond three hundred steps its beginning.

    Args:
        proof: Its steps.
        file: Where to; its suffix is the format.

    Raises:
        BadName: The suffix is none of a picture.
        BadConfig: Matplotlib is not installed.
        OSError: The file cannot be written.
    """
    steps = proof[:_MOST_STEPS]
    depths, rows = _places(steps)
    labels = [[shortened(step.holds, 60), reason(step)] for step in steps]
    widths = [0.0] * (max(depths) + 1)
    for depth, label in zip(depths, labels, strict=True):
        widths[depth] = max(widths[depth], max(map(len, label)) * _LETTER + _GAP)
    lefts = [sum(widths[:depth]) for depth in range(len(widths))]
    height = (max(rows) + 1) * _ROW
    with picture(file, width=sum(widths) + 0.3, height=height + 0.3) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(-0.05, sum(widths))
        axes.set_ylim(height, 0)
        for n, step in enumerate(steps):
            x, y = lefts[depths[n]], (rows[n] + 0.5) * _ROW
            end = x + max(map(len, labels[n])) * _LETTER
            for use in step.uses:
                if use < len(steps):
                    to = (rows[use] + 0.5) * _ROW
                    axes.plot([end, lefts[depths[use]] - 0.05], [y, to], color=FAINT, zorder=1)
            colour = _COLOUR.get(step.by, FAINT)
            axes.plot([x - 0.02] * 2, [y - 0.15, y + 0.15], color=colour, linewidth=3, zorder=2)
            axes.text(x + 0.03, y - 0.02, labels[n][0], fontsize=9, va="bottom")
            axes.text(x + 0.03, y + 0.02, labels[n][1], fontsize=7, va="top", alpha=0.7)


def _places(steps: Sequence[Step]) -> tuple[list[int], list[float]]:
    """Returns how deep each step is, and its row; what is used twice is drawn once."""
    depths = [0] * len(steps)
    belows: list[list[int]] = [[] for _ in steps]
    seen = {0}
    order: list[int] = []
    waiting = [0]
    while waiting:
        n = waiting.pop()
        order.append(n)
        for use in reversed(steps[n].uses):
            if use < len(steps) and use not in seen:
                seen.add(use)
                depths[use] = depths[n] + 1
                belows[n].insert(0, use)
                waiting.append(use)
    rows = [0.0] * len(steps)
    leaves = 0
    for n in order:
        if not belows[n]:
            rows[n] = leaves
            leaves += 1
    for n in reversed(order):
        if belows[n]:
            rows[n] = sum(rows[one] for one in belows[n]) / len(belows[n])
    return depths, rows
