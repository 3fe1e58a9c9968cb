"""When records were."""

from datetime import UTC, datetime
from typing import Any

from pepperpy_bus.units import parse_duration
from pepperpy_bus.where import compile_field
from pepperpy_schemas.errors import BadConfig, BadPayload, BadProblem

_LATEST = 2.0**53  # seconds: beyond it neighbours are the same


def moments(records: list[dict[str, Any]], time: str) -> list[float]:
    """Returns the time of each record, in seconds.

    Raises:
        BadProblem: A record has no time, or the field cannot be read.
    """
    try:
        read = compile_field(time)
    except BadPayload as error:
        raise BadProblem(f"time: {error.message}", context={"field": "time"}) from None
    return [_moment(read(record), f"records[{n}].{time}") for n, record in enumerate(records)]


def seconds(duration: str, field: str) -> float | None:
    """Returns a duration in seconds; None without one.

    Raises:
        BadProblem: It is none.
    """
    if not duration:
        return None
    try:
        return parse_duration(duration)
    except BadConfig as error:
        raise BadProblem(
            f"{field}: {error.message}", hint=error.hint, context={"field": field}
        ) from None


def _moment(value: Any, field: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LATEST:
        return float(value)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise BadProblem(
        f"{field}: {value!r:.80} is no time",
        hint="give seconds, or a time such as 2026-01-31T12:00:00Z",
        context={"field": field},
    )
