"""When a failed attempt is repeated, and after how long."""

import random

import msgspec

from pepperpy_schemas.errors import BadOutput, ChildFailed, ErrorInfo, GraphFailed, NoAnswer

_KINDS_NOT_REPEATED = frozenset({"input", "control"})
# What they come from is in the journal, and would be the same again.
_FINAL = (ChildFailed, GraphFailed, NoAnswer)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how soon an attempt is repeated.

    Attributes:
        retries: Repeats after the first failure: N means N + 1 attempts.
        delay: Seconds before the first repeat; each next one waits twice as long.
        max_delay: Seconds that no wait exceeds.
        only: Exceptions that are worth a repeat; all of them by default.
    """

    retries: int = 2
    delay: float = 1.0
    max_delay: float = 300.0
    only: tuple[type[BaseException], ...] = (Exception,)

    def repeats(self, error: BaseException, info: ErrorInfo, failures: int) -> bool:
        """Whether to try again after this error, the ``failures``-th of the task."""
        if failures > self.retries or info.category in _KINDS_NOT_REPEATED:
            return False
        if isinstance(error, _FINAL) or _hopeless(error):
            return False
        return isinstance(error, self.only)

    def wait(self, failures: int) -> float:
        """Returns the seconds to wait after the ``failures``-th failure.

        Half of it is random, so that tasks which failed together do not come back together.
        """
        full = min(self.max_delay, self.delay * float(2 ** min(failures - 1, 30)))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


def _hopeless(error: BaseException) -> bool:
    """Whether answers that do not fit are all in the journal, and would be the same again.

    What others raise says nothing here: a service in another language may leave ``retryable`` out.
    """
    return isinstance(error, BadOutput) and not error.retryable
