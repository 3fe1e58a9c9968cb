"""A target's name as a token of a subject."""

import hashlib
import re
from typing import Final

from pepperpy_schemas.tokens import TOKEN

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
_HASH: Final = 10
_LONGEST: Final = 64


def target_token(name: str) -> str:
    """Returns a name as it travels in a subject.

    A token stays as it is. In any other name what cannot travel becomes ``_``, and a part of its
    hash follows, so that two names never share a token.
    """
    if TOKEN.fullmatch(name) is not None:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    readable = _FOREIGN.sub("_", name)[: _LONGEST - _HASH - 1]
    return f"{readable}-{digest}"
