"""The clock: what time it is, in any zone."""

import zoneinfo
from datetime import UTC, datetime
from typing import Any, Final

from pepperpy_agents.tools.builtin.schema import parameters, string
from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_schemas.errors import BadArguments


async def _call(arguments: dict[str, Any], use: ToolUse) -> dict[str, Any]:
    name = arguments.get("zone", "UTC")
    now = datetime.now(UTC) if use.ctx is None else use.ctx.now
    local = now.astimezone(_zone(name))
    return {
        "time": local.isoformat(timespec="seconds"),
        "zone": name,
        "weekday": _WEEKDAYS[local.weekday()],
    }


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BadArguments(
            f"there is no time zone {name!r:.80}",
            hint="use a name of the IANA list: Europe/Lisbon, UTC",
        ) from None


# Those of strftime depend on the machine's locale.
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

CLOCK: Final = Tool(
    name="clock",
    description="Tells the time and the weekday, in UTC or in a named time zone.",
    parameters=parameters(
        zone=string("IANA name such as Europe/Lisbon; UTC by default", longest=64)
    ),
    call=_call,
)
