"""How many requests a second a caller may make of this process."""

import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from pepperpy_bus import gcra
from pepperpy_bus.units import now
from pepperpy_monitor_svc.http.answers import Refused

_CALLERS: Final = 10_000


class Rates:
    """The rate of each caller; a tenth of a minute's worth may come at once.

    Args:
        per_second: Requests a second; 0 for no limit.
        clock: The time.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], datetime] = now) -> None:
        self._per_minute = max(1, round(per_second * 60)) if per_second else 0
        self._clock = clock
        self._ahead: OrderedDict[str, datetime] = OrderedDict()

    def take(self, caller: str) -> None:
        """Counts a request.

        Raises:
            Refused: The caller has made too many.
        """
        if not self._per_minute:
            return
        at, ahead = self._clock(), self._ahead.get(caller)
        pause = gcra.wait(ahead, at, 1, self._per_minute).total_seconds()
        if pause > 0:
            raise Refused(
                429,
                "rate_limited",
                f"more than {self._per_minute / 60:g} requests a second of {caller}",
                hint=f"wait {pause:.1f} s",
                headers={"Retry-After": str(math.ceil(pause))},
            )
        self._ahead[caller] = gcra.taken(ahead, at, 1, self._per_minute)
        self._ahead.move_to_end(caller)
        if len(self._ahead) > _CALLERS:
            self._ahead.popitem(last=False)
