"""What models did, for whom, and what it cost."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pepperpy_monitor_svc.fleet.durations import Timings, Window, bin_of
from pepperpy_monitor_svc.fleet.rings import Ring, instant
from pepperpy_monitor_svc.fleet.roster import Roster
from pepperpy_monitor_svc.fleet.values import figure, text, whole
from pepperpy_schemas.monitor import ModelRow

_HOUR: Final = 3600.0
_CODES: Final = 32
"""Codes of one model that are told apart; the others count as one."""
OTHER: Final = "other"

Key = tuple[str, str, str, str]
"""Provider, model, agent, tenant."""


class Asked(msgspec.Struct, frozen=True):
    """What an event says of one request to a model.

    Attributes:
        verb: How it ended: ``completed``, ``failed``, ``canceled``.
        target: ``provider/model``.
        principal: Who asked, as the broker knows them.
        tenant: Who pays.
        code: The error's code, or empty.
        message: The error's message.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        cached_tokens: Of those read, kept by the provider.
        usd: What it cost, as far as that is known.
        ms: How long it took; -1 when it does not say.
        first_ms: How long the first piece took; -1 when there is none.
        tried: Targets that failed before, with the code.
    """

    verb: str
    target: str
    principal: str
    tenant: str
    code: str
    message: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    usd: float
    ms: float
    first_ms: float
    tried: list[tuple[str, str]]


def asked(verb: str, data: Mapping[str, Any]) -> Asked:
    """Reads the values of an event; what is of another type counts as if it was not there."""
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tries = data.get("attempts")
    tries = [one for one in tries if isinstance(one, dict)] if isinstance(tries, list) else []
    last = text(tries[-1].get("target")) if tries else ""
    return Asked(
        verb=verb,
        target=text(data.get("target")) or last or text(data.get("model")),
        principal=text(data.get("principal")),
        tenant=text(data.get("tenant")),
        code=text(data.get("code")),
        message=text(data.get("message"), 1000),
        input_tokens=whole(usage.get("input_tokens")),
        output_tokens=whole(usage.get("output_tokens")),
        cached_tokens=whole(usage.get("cached_tokens")),
        usd=max(0.0, figure(data.get("usd"), 0.0)),
        ms=figure(data.get("ms")),
        first_ms=figure(data.get("first_ms")),
        tried=[
            (text(one.get("target")), text(one.get("code"))) for one in tries if one.get("code")
        ],
    )


class Model:
    """The figures of one model, for one agent of one tenant."""

    __slots__ = (
        "cached_tokens",
        "canceled",
        "codes",
        "failed",
        "first",
        "input_tokens",
        "key",
        "last",
        "output_tokens",
        "requests",
        "spending",
        "timings",
        "usd",
    )

    def __init__(self, key: Key) -> None:
        self.key = key
        self.requests = self.failed = self.canceled = 0
        self.input_tokens = self.output_tokens = self.cached_tokens = 0
        self.usd = self.last = 0.0
        self.codes: Counter[str] = Counter()
        self.spending = Ring(60, 60)
        self.timings = Timings()
        self.first = Window(300, 12)

    def count(self, one: Asked, at: float) -> None:
        """Counts a request."""
        self.requests += 1
        self.failed += one.verb == "failed"
        self.canceled += one.verb == "canceled"
        self.input_tokens += one.input_tokens
        self.output_tokens += one.output_tokens
        self.cached_tokens += one.cached_tokens
        self.usd += one.usd
        self.last = max(self.last, at)
        if one.usd:
            self.spending.add(at, one.usd)
        if one.ms >= 0 and one.verb == "completed":
            self.timings.add(at, bin_of(one.ms))
        if one.first_ms >= 0:
            self.first.add(at, bin_of(one.first_ms))

    def blame(self, code: str) -> None:
        """Counts an error, also one that another model made up for."""
        self.codes[code if code in self.codes or len(self.codes) < _CODES else OTHER] += 1

    def shown(self, now: float) -> ModelRow:
        """Returns them as they are shown."""
        provider, model, agent, tenant = self.key
        return ModelRow(
            provider=provider,
            model=model,
            agent=agent,
            tenant=tenant,
            requests=self.requests,
            failed=self.failed,
            canceled=self.canceled,
            codes=dict(self.codes),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            usd=round(self.usd, 9),
            usd_rate=round(self.spending.rate(now, _HOUR) * _HOUR, 9),
            latency=self.timings.windows(now),
            first=self.first.latency(now),
            last=instant(self.last) if self.last else None,
        )


class Models:
    """All models.

    Args:
        limit: Most rows; the one that was not asked for longest goes.
    """

    def __init__(self, limit: int) -> None:
        self._models: Roster[Key, Model] = Roster(limit, Model)
        self.spending = Ring(60, 60)
        self.usd = 0.0
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._models)

    @property
    def dropped(self) -> int:
        """Rows that had to go; their sums are part of the whole still."""
        return self._models.dropped

    def count(self, one: Asked, agent: str, at: float) -> None:
        """Counts a request.

        Args:
            one: The request.
            agent: The agent that asked, or who else did.
            at: When it ended.
        """
        model = self._of(one.target, agent, one.tenant)
        model.count(one, at)
        for target, code in one.tried:
            self._of(target, agent, one.tenant).blame(code)
        if one.code and not one.tried:
            model.blame(one.code)
        self.usd += one.usd
        self.tokens += one.input_tokens + one.output_tokens
        if one.usd:
            self.spending.add(at, one.usd)

    def shown(self, now: float) -> list[ModelRow]:
        """Returns all rows, the one that costs most first."""
        rows = [one.shown(now) for one in self._models.values()]
        return sorted(rows, key=lambda one: (-one.usd, -one.requests, one.provider, one.model))

    def _of(self, target: str, agent: str, tenant: str) -> Model:
        provider, found, model = target.partition("/")
        key = (provider, model, agent, tenant) if found else ("", provider, agent, tenant)
        return self._models.use(key)
