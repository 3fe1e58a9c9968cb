"""Which errors are one: messages without the numbers, ids and paths in which they differ."""

import hashlib
import re
from typing import Final

_READ: Final = 400
"""Characters of a message that are looked at; the rest seldom tells errors apart."""
_DIFFERS: Final = re.compile(
    r"""
    (?P<quoted>'[^'\n]{0,120}'|"[^"\n]{0,120}"|`[^`\n]{0,120}`)
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s'"`]+)
    | (?P<path>(?<![\w.#])(?:[A-Za-z]:)?(?:[/\\][\w.@%+~-]+)+[/\\]?)
    | (?P<mail>\b[\w.+-]+@[\w-]+\.[\w.-]+)
    | (?P<word>\b\w*[0-9][\w-]*(?:[.:]\w*[0-9]\w*)*)
    """,
    re.VERBOSE,
)


def normalised(message: str) -> str:
    """Returns a message with ``#`` for whatever is likely to differ between equal errors.

    These are texts in quotes, addresses, paths, and words with a digit in them: numbers, times,
    ids.
    """
    return " ".join(_DIFFERS.sub("#", message[:_READ]).split())


def fingerprint(code: str, message: str) -> str:
    """Returns the id of a group of errors, from its code and its normalised message."""
    mark = f"{code}\0{message}".encode(errors="replace")
    return hashlib.blake2b(mark, digest_size=6).hexdigest()
