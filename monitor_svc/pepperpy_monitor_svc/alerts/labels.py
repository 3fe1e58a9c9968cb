"""Labels of alerts: what fits them, and the number that stands for a set of them.

Texts are compared whole, with ``*`` for any characters. There are no regular expressions: one can
take a rule's author seconds to write and the monitor years to run.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from pepperpy_schemas.errors import BadConfig

NAME: Final = "alertname"
"""The label that holds the rule's name, as at Prometheus."""
SEVERITY: Final = "severity"
TEST: Final = "test"
"""The label that marks an alert which somebody has fired to try the way of its notifications."""

MAX_VALUE: Final = 256
"""Characters of a label's value; of a longer one the rest is cut off."""

_OFFSET: Final = 14695981039346656037
_PRIME: Final = 1099511628211
_SEPARATOR: Final = b"\xff"
_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$")


def fingerprint(labels: Mapping[str, str]) -> str:
    """Returns the id of a set of labels: FNV-1a of 64 bits, as Alertmanager has it."""
    number = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in name.encode() + _SEPARATOR + value.encode() + _SEPARATOR:
            number = ((number ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{number:016x}"


class Pattern(msgspec.Struct, frozen=True):
    """What a label's value must be, or must not.

    Attributes:
        texts: One of them, ``*`` for any characters.
        negated: Whether none of them may fit.
    """

    texts: tuple[str, ...]
    negated: bool = False

    def fits(self, value: str) -> bool:
        """Whether a value is one of the pattern's; a label that is missing has the value ``""``."""
        return any(_fits(text, value) for text in self.texts) != self.negated

    @property
    def plain(self) -> str | None:
        """The only value that fits, or None."""
        if self.negated or len(self.texts) != 1 or "*" in self.texts[0]:
            return None
        return self.texts[0]

    def promql(self, label: str) -> str:
        """Returns it as a label matcher of Prometheus."""
        if len(self.texts) == 1 and "*" not in self.texts[0]:
            return f"{label}{'!=' if self.negated else '='}{quoted(self.texts[0])}"
        regex = "|".join(map(_regex, self.texts))
        return f"{label}{'!~' if self.negated else '=~'}{quoted(regex)}"

    def written(self) -> str:
        """Returns it as people write it: ``=billing-*``, ``!=a|b``."""
        return f"{'!=' if self.negated else '='}{'|'.join(self.texts)}"


class Matching(msgspec.Struct, frozen=True):
    """Which sets of labels are meant: those that every pattern fits."""

    patterns: dict[str, Pattern] = {}

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a set of labels is meant."""
        return all(one.fits(labels.get(name, "")) for name, one in self.patterns.items())

    def written(self) -> list[str]:
        """Returns the patterns as people write them: ``topic=billing-*``."""
        return [f"{name}{one.written()}" for name, one in self.patterns.items()]

    @classmethod
    def read(cls, written: Iterable[str]) -> "Matching":
        """Returns what people have written: ``topic=billing-*``, ``severity!=info``, ``a=b|c``.

        Raises:
            BadConfig: One has no label or no ``=``, or is a regular expression.
        """
        found: dict[str, Pattern] = {}
        for text in written:
            name, mark, value = text.partition("=")
            negated = name.endswith("!")
            name = name.removesuffix("!").strip()
            if not mark or not is_label(name) or value.startswith("~") or name.endswith("~"):
                raise BadConfig(
                    f"{text!r:.80} says nothing of a label",
                    hint="write topic=billing-*, severity!=info or agent=a|b; * is anything",
                )
            if name in found:
                raise BadConfig(f"{name} is there twice", hint=f"write {name}=a|b")
            found[name] = Pattern(tuple(value.split("|")), negated)
        return cls(found)


def is_label(name: str) -> bool:
    """Whether a text can be the name of a label."""
    return name.isascii() and name.isidentifier() and not name.startswith("__")


def quoted(text: str) -> str:
    """Returns a text as Prometheus and YAML-less readers quote it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _fits(text: str, value: str) -> bool:
    """Whether a value is what a text says, in time that grows with the value's length alone."""
    first, *rest = text.split("*")
    if not rest:
        return value == text
    if not value.startswith(first):
        return False
    place, last = len(first), rest.pop()
    for part in rest:
        place = value.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return len(value) - len(last) >= place and value.endswith(last)


def _regex(text: str) -> str:
    parts = ["".join(f"\\{c}" if c in _SPECIAL else c for c in part) for part in text.split("*")]
    return ".*".join(parts)
