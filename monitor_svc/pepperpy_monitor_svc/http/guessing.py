"""Wrong tokens, counted: whoever guesses has to wait."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from pepperpy_monitor_svc.http.answers import Refused

_FAILURES: Final = 8
"""Wrong tokens of one address, within `_WINDOW` seconds."""
_ALL_FAILURES: Final = 100
"""Wrong tokens of all addresses together."""
_WINDOW: Final = 60.0
_ADDRESSES: Final = 1024


class Guesses:
    """The wrong tokens of the last minute, by address.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=_ALL_FAILURES)

    def refuse_more(self, address: str) -> None:
        """Refuses an address that has guessed too often.

        Raises:
            Refused: It has, or all together have.
        """
        since = self._clock() - _WINDOW
        of_it = sum(at > since for at in self._of.get(address, ()))
        of_all = sum(at > since for at in self._all)
        if of_it >= _FAILURES or of_all >= _ALL_FAILURES:
            raise Refused(
                429,
                "too_many_attempts",
                "too many wrong tokens",
                hint="wait a minute",
                headers={"Retry-After": str(int(_WINDOW))},
            )

    def wrong(self, address: str) -> Refused:
        """Notes a wrong token; returns what the request is answered."""
        now = self._clock()
        self._of.setdefault(address, deque(maxlen=_FAILURES)).append(now)
        self._of.move_to_end(address)
        self._all.append(now)
        if len(self._of) > _ADDRESSES:
            self._of.popitem(last=False)
        return Refused(
            401, "wrong_token", "that is not the token", headers={"WWW-Authenticate": "Bearer"}
        )
