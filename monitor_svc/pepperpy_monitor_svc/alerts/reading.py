"""Rules read from YAML: those that are shipped, and a user's own beside them."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from pydantic import ValidationError

from pepperpy_bus.complaints import complaint, marked
from pepperpy_bus.composites.composite import Composite, declare
from pepperpy_bus.marked import Marked
from pepperpy_monitor_svc.alerts.conditions import condition, metrics
from pepperpy_monitor_svc.alerts.declared import RULES, EventRule, Inhibition, Rule, RulesFile
from pepperpy_monitor_svc.alerts.series import Expression
from pepperpy_schemas.errors import BadConfig, PepperError

MAX_RULES: Final = 500
SHIPPED: Final = "shipped.yaml"

_HINT: Final = "every key is described in docs/how-to/alerts.md"


class Ready(msgspec.Struct, frozen=True):
    """A rule that can be worked out.

    Attributes:
        rule: As it was declared.
        condition: What it asks of the metrics; None of a rule of events.
        composite: What it asks of the events; None of a rule of metrics.
        origin: The file that it comes from.
    """

    rule: Rule
    condition: Expression | None = None
    composite: Composite | None = None
    origin: str = ""


class Ruleset(msgspec.Struct, frozen=True):
    """All rules in force.

    Attributes:
        rules: The rules by their names, in the order of the files.
        inhibitions: Which alerts make which others needless.
    """

    rules: dict[str, Ready]
    inhibitions: tuple[Inhibition, ...] = ()


def read_rules(path: Path | None) -> Ruleset:
    """Returns the rules that are shipped, changed and added to by a user's.

    Args:
        path: A file, or a folder whose ``*.yaml`` and ``*.yml`` files are read in the order of
            their names; None for the shipped rules alone.

    Raises:
        BadConfig: A file cannot be read, or something in it is wrong; each slip has its file, line,
            field and cure.
    """
    return _together(_shipped(), [_Source(str(one), _text(one)) for one in _files(path)])


def read_text(text: str | bytes, *, origin: str = "rules") -> Ruleset:
    """Returns the rules of a text alone, without those that are shipped.

    Raises:
        BadConfig: Something in it is wrong.
    """
    return _together(_Source(origin, text), [])


class _Source:
    """A file of rules, with the lines of what is in it."""

    def __init__(self, origin: str, text: str | bytes) -> None:
        self.origin = origin
        self.marked: Marked = marked(text, origin, "a file of rules", _HINT)
        try:
            self.file = RulesFile.model_validate(self.marked.data)
        except ValidationError as error:
            raise complaint(origin, self.marked, RulesFile, error, _HINT) from None

    def rule(
        self, at: Sequence[str | int], given: Mapping[str, Any], known: Iterable[str]
    ) -> Ready:
        """Returns a rule that is ready, from what was written at a place of the file."""
        kind = given.get("kind")
        if not isinstance(kind, str) or kind not in RULES:
            raise self.wrong([*at, "kind"], f"{kind!r:.60} is no kind; there is {', '.join(RULES)}")
        table = RULES[kind]
        try:
            rule = table.model_validate(given)
        except ValidationError as error:
            raise complaint(self.origin, self.marked, table, error, _HINT, at=at) from None
        for key, metric in metrics(rule).items():
            self._check_metric([*at, key], metric)
        if rule.name in known:
            raise self.wrong(
                [*at, "name"],
                f"there is a rule {rule.name} already: name it otherwise, or change the shipped "
                f"one below shipped:",
            )
        try:
            return Ready(rule, condition(rule), _composite(rule), self.origin)
        except PepperError as error:
            raise self.wrong(at, f"{error}{f' ({error.hint})' if error.hint else ''}") from None

    def wrong(self, at: Sequence[str | int], fact: str) -> BadConfig:
        """Returns the complaint about a place of the file."""
        path = "$" + "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in at)
        line = self.marked.line(path)
        return BadConfig(f"{self.origin}:{line}: {path[2:]}: {fact}", hint=_HINT)

    def _check_metric(self, at: Sequence[str | int], metric: str) -> None:
        known = _known_metrics()
        if metric not in known:
            near = get_close_matches(metric, known, n=1, cutoff=0.6)
            guess = f"did you mean {near[0]}?" if near else "docs/reference/metrics.md lists them"
            raise self.wrong(at, f"there is no metric {metric!r:.80}; {guess}")


@cache
def _shipped() -> _Source:
    """The file that is shipped; it stays as it is, and a start looks at it twice."""
    return _Source(SHIPPED, resources.files(__package__).joinpath(SHIPPED).read_text("utf-8"))


def _together(shipped: _Source, others: list[_Source]) -> Ruleset:
    """The rules of all files; what is wrong in several of them is told at once."""
    changes = _changes(shipped, others)
    rules: dict[str, Ready] = {}
    slips: list[BadConfig] = []
    for source in (shipped, *others):
        for n, given in enumerate(source.file.rules):
            change = changes.get(given.get("name")) if source is shipped else None
            if change is not None and change.fields is False:
                continue
            try:
                ready = _ready(source, n, given, change, rules)
            except BadConfig as error:
                slips.append(error)
                continue
            rules[ready.rule.name] = ready
    if len(rules) > MAX_RULES:
        slips.append(BadConfig(f"there are {len(rules)} rules, {MAX_RULES} at most"))
    if slips:
        raise BadConfig("\n".join(map(str, slips)), hint=slips[0].hint)
    inhibitions = (one for source in (shipped, *others) for one in source.file.inhibit)
    return Ruleset(rules, tuple(inhibitions))


class _Change(msgspec.Struct, frozen=True):
    """What a file says of a shipped rule: other values of some keys, or that it is off."""

    source: _Source
    fields: Mapping[str, Any] | Literal[False]


def _changes(shipped: _Source, others: list[_Source]) -> dict[object, _Change]:
    """What the files change of the shipped rules, the last one's word for each."""
    names = [str(one.get("name")) for one in shipped.file.rules]
    found: dict[object, _Change] = {}
    for source in others:
        for name, fields in source.file.shipped.items():
            if name not in names:
                near = get_close_matches(name, names, n=1, cutoff=0.6)
                guess = f"did you mean {near[0]}?" if near else "pepperpy alerts rules lists them"
                raise source.wrong(["shipped", name], f"no such rule is shipped; {guess}")
            if fields is not False and "name" in fields:
                raise source.wrong(["shipped", name, "name"], "a shipped rule keeps its name")
            found[name] = _Change(source, fields)
    return found


def _ready(
    source: _Source,
    n: int,
    given: Mapping[str, Any],
    change: _Change | None,
    known: Iterable[str],
) -> Ready:
    """The rule of a file's n-th place, as it is changed; slips are told where they were written."""
    if change is None or change.fields is False:
        return source.rule(["rules", n], given, known)
    at = ["shipped", str(given.get("name"))]
    return change.source.rule(at, {**given, **change.fields}, known)


def _composite(rule: Rule) -> Composite | None:
    if not isinstance(rule, EventRule):
        return None
    ways: dict[str, Any] = {
        name: value
        for name in ("sequence", "all_of", "repeated", "times", "after", "missing", "by")
        if (value := getattr(rule, name))
    }
    # Its name is never that of an event: an alert's own event shall not be a part of it.
    return declare(f"alert.{rule.name}", within=rule.within, **ways)


def _known_metrics() -> dict[str, None]:
    from pepperpy_monitor_svc.metrics.names import METRICS, Kind

    known: dict[str, None] = {}
    for one in METRICS.values():
        known[one.prometheus] = None
        if one.kind is Kind.HISTOGRAM:
            known |= dict.fromkeys(f"{one.prometheus}_{end}" for end in ("bucket", "sum", "count"))
    return known


def _files(path: Path | None) -> list[Path]:
    if path is None:
        return []
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.iterdir() if one.suffix in (".yaml", ".yml"))


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadConfig(
            f"the rules {path} cannot be read: {error.strerror}",
            hint="name another file or folder with monitor.rules, or leave it out",
        ) from None
