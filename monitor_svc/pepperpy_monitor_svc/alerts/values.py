"""Values in the files of rules and of receivers: times, labels, what they must be, and texts."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pepperpy_bus.units import parse_duration
from pepperpy_monitor_svc.alerts.labels import Matching, Pattern, is_label
from pepperpy_monitor_svc.alerts.wording import MAX_TEXT

MAX_WINDOW: Final = 7 * 86400
"""Seconds that a rule may look back."""


def _seconds(value: Any) -> float:
    found = parse_duration(value)
    # Prometheus reads no parts of a second, and nothing is worked out more often.
    if found != int(found):
        raise ValueError("give whole seconds, such as 30s or 5m")
    return found


def _pattern(value: Any) -> Any:
    negated = isinstance(value, dict) and set(value) == {"not"}
    given = value["not"] if negated else value
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(isinstance(one, str) for one in texts):
        raise ValueError("give a text, a list of texts, or {not: …}; * is anything")
    return Pattern(tuple(texts), negated)


def _label(value: Any) -> Any:
    if not isinstance(value, str) or not is_label(value):
        raise ValueError("give the name of a label: letters, digits and _")
    return value


def _matching(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("give labels with what they must be: {topic: orders}")
    return Matching({_label(name): _pattern(one) for name, one in value.items()})


Seconds = Annotated[float, BeforeValidator(_seconds)]
Label = Annotated[str, BeforeValidator(_label)]
Where = Annotated[Matching, BeforeValidator(_matching)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,127}$")]
Window = Annotated[Seconds, Field(ge=1, le=MAX_WINDOW)]


class Table(BaseModel):
    """A part of the file: unknown keys are refused, values stay as they are."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True
    )
