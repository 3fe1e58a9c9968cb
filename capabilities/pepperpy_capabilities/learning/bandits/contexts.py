"""What bandits make of features: the name of a context, or a vector of numbers.

Words and truth values become a column each for every value that was seen; numbers are their column.
The first column is 1 for every context.
"""

import math
from typing import Final

from pepperpy_schemas.errors import BadExample, TooBig
from pepperpy_schemas.learning import Plain

MAX_CONTEXTS: Final = 1_000
"""Most contexts that are known apart."""
MAX_COLUMNS: Final = 64
"""Most columns of a vector."""
MAX_FEATURES: Final = 32
"""Most features of one context."""
_MAX_WORD: Final = 128
_LARGEST: Final = 1e6
CONSTANT: Final = ""
"""The name of the first column."""


def check_features(features: dict[str, Plain]) -> None:
    """Looks whether features can be reckoned with.

    Raises:
        BadExample: A number is not finite or larger than 10⁶, a name or word has more than 128
            characters, or there are more than 32 of them.
    """
    if len(features) > MAX_FEATURES:
        raise BadExample(f"there are {len(features)} features", hint=f"use at most {MAX_FEATURES}")
    for name, value in features.items():
        if not name or len(name) > _MAX_WORD:
            raise BadExample(f"a feature is named {name!r:.80}", hint="use 1 to 128 characters")
        if isinstance(value, str):
            if len(value) > _MAX_WORD:
                _refuse(name, value, f"it has {len(value)} characters")
        elif not math.isfinite(value) or abs(value) > _LARGEST:
            _refuse(name, value, "it is none between -10⁶ and 10⁶")


def are_finite(*numbers: float) -> bool:
    """Returns whether all numbers can be reckoned with."""
    return all(map(math.isfinite, numbers))


def context_name(features: dict[str, Plain]) -> str:
    """Returns what a context is known by: its words and truth values.

    Raises:
        BadExample: A feature is a number; each would be a context of its own.
    """
    for name, value in features.items():
        if not isinstance(value, bool | str):
            _refuse(name, value, "thompson knows contexts by words alone; linucb takes numbers")
    return " ".join(_column(name, features[name]) for name in sorted(features))


def columns_of(features: dict[str, Plain]) -> dict[str, float]:
    """Returns the columns of a context, with their values."""
    found = {CONSTANT: 1.0}
    for name, value in features.items():
        number = 1.0 if isinstance(value, bool | str) else float(value)
        found[_column(name, value)] = number
    return found


def check_room(there: int, limit: int, what: str) -> None:
    """Looks whether one more has room.

    Raises:
        TooBig: It has none.
    """
    if there > limit:
        raise TooBig(
            f"the bandit would know {there} {what}, more than {limit}",
            hint="use features with fewer values",
            context={"limit": limit},
        )


def _column(name: str, value: Plain) -> str:
    match value:
        case bool():
            return f"{name}={'true' if value else 'false'}"
        case str():
            return f"{name}={value}"
        case _:
            return name


def _refuse(name: str, value: Plain, why: str) -> None:
    raise BadExample(
        f"feature {name!r:.80} is {value!r:.40}: {why}", context={"field": f"features.{name}"[:80]}
    )
