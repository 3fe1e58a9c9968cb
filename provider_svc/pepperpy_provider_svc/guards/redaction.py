"""What logs and events hide: keys, what looks like a secret, and what the declaration says."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from pepperpy_bus.redaction import HIDDEN, scrub
from pepperpy_schemas.errors import BadConfig

LONGEST: Final = 4096
"""Characters of a text that are shown; the rest is left out.

An expression that takes the square of a text's length takes no time to speak of then. One that
nests repetitions, ``(a+)+``, takes far longer on any text: whoever declares it should not.
"""

_MARGIN = 512  # what begins before the cut is seen as a whole


class Redaction:
    """Hides what nobody else shall read.

    Args:
        patterns: Regular expressions of the declaration.
        secrets: Returns the texts to hide wherever they stand, the keys that are held now.

    Raises:
        BadConfig: An expression cannot be read, or fits an empty text; the message names it.
    """

    def __init__(self, patterns: Sequence[str], secrets: Callable[[], list[str]]) -> None:
        self._patterns = [_compiled(one) for one in patterns]
        self._secrets = secrets

    def hide(self, text: str) -> str:
        """Returns a text that may be shown, of at most 4096 characters and a remark."""
        length = len(text)
        for secret in self._secrets():
            text = text.replace(secret, HIDDEN)
        shown = scrub(text[: LONGEST + _MARGIN])
        for pattern in self._patterns:
            shown = pattern.sub(HIDDEN, shown)
        if length <= LONGEST:
            return shown
        return f"{shown[:LONGEST]}… ({length} characters)"


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadConfig(
            f"guards.redact: {pattern!r} is no regular expression: {error}",
            hint="write it as Python's re module takes it",
        ) from None
    if compiled.match("") is not None:
        raise BadConfig(
            f"guards.redact: {pattern!r} fits an empty text, which is everywhere",
            hint="let it need a character at least: + instead of *",
        )
    return compiled
