"""The features and labels that a learner has seen: checked, bounded, and as River takes them."""

import math
from collections.abc import Mapping
from typing import Final, Literal, TypeGuard

import msgspec

from pepperpy_schemas.errors import BadExample, TooBig
from pepperpy_schemas.learning import Plain

MAX_FEATURES: Final = 1_000
"""Most features of one example."""
MAX_KNOWN: Final = 10_000
"""Most features that a learner knows, each word of each feature counted."""
MAX_LABELS: Final = 1_000
"""Most labels that a classifier knows."""
MAX_NAME: Final = 256
"""Characters of the longest name of a feature, word, or label."""
EXACT: Final = 2**53
"""The largest whole number: beyond it not all programs have the same one."""
LARGEST: Final = 1e30
"""The largest number: squares and sums of squares of it are still numbers."""

Kind = Literal["number", "word"]


class Seen(msgspec.Struct):
    """What is known of features and labels.

    Attributes:
        kinds: What each feature is.
        means: The average of each number, and how often it was seen.
        words: The words of each feature that has words.
        labels: The labels.
    """

    kinds: dict[str, Kind] = {}
    means: dict[str, tuple[float, int]] = {}
    words: dict[str, dict[str, bool]] = {}
    labels: list[bool | int | str] = []

    def check(self, features: Mapping[str, Plain]) -> None:
        """Looks whether features can be used.

        Raises:
            BadExample: One is not what it was before, or no number that can be reckoned with.
            TooBig: There are more than there may be.
        """
        if not features:
            raise BadExample("there are no features", context={"field": "features"})
        if len(features) > MAX_FEATURES:
            raise TooBig(
                f"an example has {len(features)} features, more than {MAX_FEATURES}",
                context={"field": "features", "limit": MAX_FEATURES},
            )
        for name, value in features.items():
            if wrong := self._problem(name, value):
                raise BadExample(
                    f"feature {name:.80} is {value!r:.80}: {wrong}",
                    context={"field": f"features.{name:.80}"},
                )

    def _problem(self, name: str, value: Plain) -> str:
        if not 0 < len(name) <= MAX_NAME:
            return f"its name has not 1 to {MAX_NAME} characters"
        if isinstance(value, str) and len(value) > MAX_NAME:
            return f"a word has at most {MAX_NAME} characters"
        if not isinstance(value, str) and (wrong := _wrong_number(value)):
            return wrong
        kind = kind_of(value)
        known = self.kinds.get(name, kind)
        return "" if kind == known else f"it was a {known} before"

    def check_room(self, features: Mapping[str, Plain]) -> None:
        """Looks whether there is room for what is new in features.

        Raises:
            TooBig: There is none.
        """
        new = sum(self._is_new(name, value) for name, value in features.items())
        if new and self.known + new > MAX_KNOWN:
            raise TooBig(
                f"the learner knows {self.known} features and words, and may know {MAX_KNOWN}",
                hint="leave out features with ever new values, such as ids and texts",
                context={"field": "features", "limit": MAX_KNOWN},
            )

    def _is_new(self, name: str, value: Plain) -> bool:
        if isinstance(value, str):
            return value not in self.words.get(name, {})
        return name not in self.kinds

    @property
    def known(self) -> int:
        """How many features and words it knows."""
        return len(self.kinds) + sum(map(len, self.words.values()))

    def note(self, features: Mapping[str, Plain]) -> None:
        """Remembers the features of an example."""
        for name, value in features.items():
            self.kinds.setdefault(name, kind_of(value))
            if isinstance(value, str):
                self.words.setdefault(name, {})[value] = True
            else:
                mean, count = self.means.get(name, (0.0, 0))
                self.means[name] = (mean + (value - mean) / (count + 1), count + 1)

    def check_label(self, label: Plain | None, *, boolean: bool) -> None:
        """Looks whether a label can be one of this learner's.

        Raises:
            BadExample: It cannot.
            TooBig: There are as many as there may be.
        """
        if not isinstance(label, bool | int | str) or (isinstance(label, str) and not label):
            raise _bad_target(label, "a label is true, false, a whole number or a word")
        if isinstance(label, int) and (wrong := _wrong_number(label)):
            raise _bad_target(label, wrong)
        if isinstance(label, str) and len(label) > MAX_NAME:
            raise _bad_target(label, f"a label has at most {MAX_NAME} characters")
        if boolean and not isinstance(label, bool):
            raise _bad_target(label, "this learner's labels are true and false; softmax takes all")
        if self.labels and type(label) is not type(self.labels[0]):
            raise _bad_target(label, f"the labels before it were like {self.labels[0]!r:.40}")
        if label not in self.labels and len(self.labels) >= MAX_LABELS:
            raise TooBig(
                f"the learner has {MAX_LABELS} labels, and may have no more",
                hint="a target with ever new values is no label",
                context={"field": "target", "limit": MAX_LABELS},
            )

    def note_label(self, label: bool | int | str) -> None:
        """Remembers a label."""
        if label not in self.labels:
            self.labels.append(label)


def check_number(target: Plain | None) -> float:
    """Returns the target of a regression.

    Raises:
        BadExample: It is no number that can be reckoned with.
    """
    if isinstance(target, bool) or not isinstance(target, int | float):
        raise _bad_target(target, "a regression has a number")
    if wrong := _wrong_number(target):
        raise _bad_target(target, wrong)
    return target


def check_no_label(target: Plain | None, *, anomaly: bool) -> None:
    """Looks whether there is no target where none is learned.

    Raises:
        BadExample: There is one.
    """
    if target is None or (anomaly and isinstance(target, bool)):
        return
    raise _bad_target(
        target,
        "whether it is an anomaly is true or false" if anomaly else "clusters have no target",
    )


def as_numbers(features: Mapping[str, Plain]) -> dict[str, int | float]:
    """Returns features as numbers: true is 1, a word is 1 under ``name=word``."""
    numbers: dict[str, int | float] = {}
    for name, value in features.items():
        if isinstance(value, str):
            numbers[f"{name}={value}"] = 1
        else:
            numbers[name] = int(value) if isinstance(value, bool) else value
    return numbers


def kind_of(value: Plain) -> Kind:
    """Returns what a feature with this value is."""
    return "word" if isinstance(value, str) else "number"


def is_number(value: object) -> TypeGuard[int | float]:
    """Returns whether a value is a number that can be reckoned with."""
    return isinstance(value, int | float) and math.isfinite(value)


def _wrong_number(value: float) -> str:
    if isinstance(value, int):
        return "" if abs(value) <= EXACT else f"a whole number is between {-EXACT} and {EXACT}"
    return "" if abs(value) <= LARGEST else f"a number is between {-LARGEST:g} and {LARGEST:g}"


def _bad_target(target: object, why: str) -> BadExample:
    return BadExample(f"the target is {target!r:.80}: {why}", context={"field": "target"})
