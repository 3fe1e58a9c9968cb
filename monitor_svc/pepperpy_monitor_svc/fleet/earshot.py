"""Whether the monitor can hear anybody at all: while it cannot, nobody is missing."""


class Earshot:
    """Notes when the monitor could hear heartbeats; times are seconds since 1970, 0 for never.

    Nobody is missing for some time after that either: they had to find the broker again, too.

    Args:
        patience: Seconds of that time.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._heard = self._deaf = self._again = 0.0

    def take(self, at: float, *, connected: bool) -> None:
        """Takes whether the broker was there when it was looked at."""
        if not connected:
            # It shows some seconds late, in which nobody could be heard either.
            self._deaf, self._again = self._deaf or self._heard or at, 0.0
            return
        self._heard = at
        if self._deaf:
            self._again = self._again or at
            if at - self._again >= self._patience:
                self._deaf = self._again = 0.0

    def until(self, now: float) -> float:
        """Returns until when silence means something."""
        return self._deaf or now

    def doubt(self, seen: float, now: float) -> str:
        """Returns why it may be otherwise than somebody said last; empty when it is known.

        Args:
            seen: When they were heard last.
            now: The present time.
        """
        if not self._deaf:
            return ""
        if not self._again:
            return f"nobody is heard since {now - self._deaf:.0f} s: the broker is away"
        return "" if seen >= self._again else "not heard again yet: the broker was away"
