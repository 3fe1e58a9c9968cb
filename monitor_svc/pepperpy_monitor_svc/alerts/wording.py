"""What an alert says of itself: texts with places for its value and labels.

``{value}`` is the value, ``{value:percent}``, ``{value:duration}`` and ``{value:bytes}`` the same
as people read it; ``{topic}`` is the label of that name. A place is filled once: what a label's
value says is never read as a text with places. The same text is written for Prometheus, whose
functions do the same.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from pepperpy_monitor_svc.alerts.labels import is_label
from pepperpy_schemas.errors import BadConfig

MAX_TEXT: Final = 2000
"""Characters of a text."""

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_VALUE: Final = "value"


def check(text: str, labels: tuple[str, ...], *, valued: bool = True) -> None:
    """Refuses a text whose places cannot be filled.

    Args:
        text: The text.
        labels: The labels that there will be.
        valued: Whether there will be a value.

    Raises:
        BadConfig: It names another label or form, or has a single brace.
    """
    if len(text) > MAX_TEXT:
        raise BadConfig(f"it has {len(text)} characters, {MAX_TEXT} at most")
    for found in _PLACE.finditer(text):
        name, _, form = found[1].partition(":")
        if name == _VALUE and valued and (not form or form in _FORMS):
            continue
        if name in labels and not form:
            continue
        known = [*labels, *([_VALUE, *(f"value:{one}" for one in _FORMS)] if valued else [])]
        raise BadConfig(f"{found[0]!r:.60} is no place; there is {', '.join(known) or 'none'}")
    if any(brace in _PLACE.sub("", text) for brace in "{}"):
        raise BadConfig("a brace stands alone; places are written {value} and {topic}")


def rendered(text: str, value: float, labels: Mapping[str, str]) -> str:
    """Returns a text with its places filled."""

    def fill(found: re.Match[str]) -> str:
        name, _, form = found[1].partition(":")
        if name != _VALUE:
            return labels.get(name, "")
        return _FORMS[form][0](value) if form else _short(value)

    return _PLACE.sub(fill, text)


def prometheus(text: str) -> str:
    """Returns a text as Prometheus' templates have it."""

    def place(found: re.Match[str]) -> str:
        name, _, form = found[1].partition(":")
        if name != _VALUE:
            return f"{{{{ $labels.{name} }}}}" if is_label(name) else ""
        return _FORMS[form][1] if form else '{{ printf "%.4g" $value }}'

    return _PLACE.sub(place, text)


def _short(value: float) -> str:
    """Four digits, as C and Go print them."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.4g}"


def _percent(value: float) -> str:
    return f"{_short(value * 100)}%"


def _duration(value: float) -> str:
    """As Prometheus' humanizeDuration."""
    if not math.isfinite(value):
        return _short(value)
    if abs(value) < 1:
        return _small_duration(value)
    sign = "-" if value < 0 else ""
    minutes, seconds = divmod(int(abs(value)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if not (days or hours or minutes):
        return f"{sign}{_short(abs(value))}s"
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return sign + " ".join(f"{count}{unit}" for count, unit in parts[first:])


def _small_duration(value: float) -> str:
    power = 0
    while value and abs(value) < 1 and power < len(_BELOW) - 1:
        value, power = value * 1000, power + 1
    return f"{_short(value)}{_BELOW[power]}s"


def _bytes(value: float) -> str:
    """As Prometheus' humanize1024, with the unit."""
    if math.isnan(value) or math.isinf(value) or abs(value) <= 1:
        return f"{_short(value)}B"
    power = 0
    while abs(value) >= 1024 and power < len(_ABOVE) - 1:
        value, power = value / 1024, power + 1
    return f"{_short(value)}{_ABOVE[power]}B"


_BELOW: Final = ("", "m", "u", "n", "p", "f", "a", "z", "y")
_ABOVE: Final = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_FORMS: Final[dict[str, tuple[Callable[[float], str], str]]] = {
    "percent": (_percent, "{{ $value | humanizePercentage }}"),
    "duration": (_duration, "{{ $value | humanizeDuration }}"),
    "bytes": (_bytes, "{{ $value | humanize1024 }}B"),
}
