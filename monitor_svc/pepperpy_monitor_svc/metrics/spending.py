"""Requests to models as they end: who paid what for them, and how long they took."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pepperpy_bus.events import Heard
from pepperpy_monitor_svc.fleet.models import Asked, asked
from pepperpy_monitor_svc.fleet.record import Record
from pepperpy_monitor_svc.fleet.values import text
from pepperpy_monitor_svc.metrics import names
from pepperpy_monitor_svc.metrics.totals import Totals

_OPERATIONS: Final = {"chat": "chat", "stream": "chat", "embed": "embeddings"}
"""What the operations of the provider service are called by the conventions."""


class Known(Protocol):
    """Knows tasks."""

    def record(self, task_id: str) -> Record | None:
        """Returns a task as it is kept, or None."""


class Spending:
    """Counts requests to models.

    Args:
        totals: Where.
        known: Knows the tasks that asked.
    """

    def __init__(self, totals: Totals, known: Known) -> None:
        self._totals = totals
        self._known = known

    def __call__(self, heard: Heard) -> None:
        """Takes what was told of a request."""
        # A handler may tell of models what it likes, and pays nothing by that.
        if heard.event.attempt or heard.verb not in ("completed", "failed", "canceled"):
            return
        one = asked(heard.verb, heard.data)
        self._paid(heard, one)
        for target, code in _calls(heard.data):
            provider, _, model = target.partition("/")
            self._totals.count(names.PROVIDER_TRIES, provider, model, code)
        self._generated(heard.data, one)

    def _paid(self, heard: Heard, one: Asked) -> None:
        provider, _, model = one.target.partition("/")
        record = self._known.record(heard.event.causation) if heard.event.causation else None
        agent = record.agent if record is not None and record.agent else one.principal
        payer = (provider, model, agent, one.tenant or one.principal)
        code = one.code or ("canceled" if one.verb == "canceled" else "")
        self._totals.count(names.MODEL_REQUESTS, *payer, code)
        for kind, tokens in (("input", one.input_tokens), ("output", one.output_tokens)):
            if tokens:
                self._totals.count(names.MODEL_TOKENS_USED, *payer, kind, by=tokens)
        if one.usd:
            self._totals.count(names.COST, *payer, by=one.usd)
        elif one.verb == "completed" and heard.data.get("usd") is None:
            self._totals.count(names.UNPRICED, *payer)

    def _generated(self, data: Mapping[str, Any], one: Asked) -> None:
        """The same by OpenTelemetry's conventions, which know no payers."""
        provider, _, model = one.target.partition("/")
        operation = _OPERATIONS.get(text(data.get("op")), "chat")
        labels = (operation, provider, text(data.get("model")), model)
        for kind, tokens in (("input", one.input_tokens), ("output", one.output_tokens)):
            if tokens:
                self._totals.measure(names.TOKEN_USAGE, tokens, *labels, kind)
        if one.ms >= 0:
            self._totals.measure(names.MODEL_DURATION, one.ms / 1e3, *labels, one.code)
        if one.first_ms >= 0:
            self._totals.measure(names.FIRST_CHUNK, one.first_ms / 1e3, *labels)


def _calls(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The calls of providers that an event tells of: target, and code; empty when it answered."""
    tries = data.get("attempts")
    tries = tries if isinstance(tries, list) else []
    return [
        (text(one.get("target")), text(one.get("code"))) for one in tries if isinstance(one, dict)
    ]
