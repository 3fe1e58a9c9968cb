"""A picture that is drawn into a file, the same way each time: what all pictures have in common."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pepperpy_bus.installing import need
from pepperpy_schemas.errors import BadName

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D00")
"""Colours that colour-blind people tell apart too (Okabe and Ito), but for their yellow, which is
darker here, to be seen on white."""
INK: Final = "#222222"
"""The colour of lines and text."""
FAINT: Final = "#B0B0B0"
"""The colour of what is only there to compare with."""

FORMATS: Final = ("svg", "png")
MAX_INCHES: Final = 100.0
"""The longest side of a picture; a longer one is drawn denser."""
_DOTS = 120  # per inch of a PNG

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that it is the same everywhere
    "svg.fonttype": "none",  # text stays text: it can be found, read aloud and copied
    "svg.hashsalt": "pepperpy",  # the same picture has the same bytes
    "text.parse_math": False,  # a dollar sign in a name is one
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def picture_format(file: Path) -> str:
    """Returns the format that a file's name asks for.

    Raises:
        BadName: It is none that can be drawn.
    """
    wanted = file.suffix.lower().removeprefix(".")
    if wanted not in FORMATS:
        raise BadName(
            f"{file.name} is no name of a picture", hint="end it in .svg or .png", context={}
        )
    return wanted


@contextmanager
def picture(file: Path, *, width: float, height: float) -> Iterator["Figure"]:
    """Gives a figure to draw on, and writes it when it is done; nothing when drawing failed.

    Args:
        file: Where to; its suffix is the format.
        width: In inches.
        height: In inches.

    Raises:
        BadName: The suffix is none of a picture.
        BadConfig: Matplotlib is not installed.
        OSError: The file cannot be written.
    """
    chosen = picture_format(file)
    need("a picture", ["matplotlib"], "pictures")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    size = (min(width, MAX_INCHES), min(height, MAX_INCHES))
    with rc_context(_STYLE), warnings.catch_warnings():
        # A script that the font does not have: an SVG keeps the text, a PNG shows boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(
            file, format=chosen, dpi=_DOTS, metadata={"Date": None} if chosen == "svg" else None
        )


def readable_on(colour: str) -> str:
    """Returns the colour of text, white or ink, that has the higher contrast to what is behind it.

    Contrast is that of WCAG 2.2: (lighter + 0.05) / (darker + 0.05), by relative luminance.

    Args:
        colour: What is behind it, as ``#RRGGBB``.
    """
    behind = _luminance(colour) + 0.05
    on_white, on_ink = 1.05 / behind, behind / (_luminance(INK) + 0.05)
    return "white" if on_white >= on_ink else INK


def _luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2, from 0 for black to 1 for white."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def shortened(text: str, limit: int = 40) -> str:
    """Returns a text as a label has room for it, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
