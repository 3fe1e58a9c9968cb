"""What may be asked of a monitor about its alerts, besides to see them."""

from typing import TYPE_CHECKING

from pepperpy_bus.services.service import Call, Endpoint
from pepperpy_schemas.alerts import (
    AlertTest,
    AlertTestReply,
    RulesReply,
    Silence,
    SilenceId,
    SilenceRequest,
    SilencesReply,
)
from pepperpy_schemas.monitor_requests import ViewRequest

if TYPE_CHECKING:
    from pepperpy_monitor_svc.alerts.alerts import Alerts
    from pepperpy_monitor_svc.audit.log import AuditLog


class AlertActs:
    """Answers what people ask of alerts; the broker lets operators alone hush them.

    Args:
        alerts: The alerts.
        audit: Where it is written down who hushed them.
    """

    def __init__(self, alerts: "Alerts", audit: "AuditLog") -> None:
        self._alerts = alerts
        self._audit = audit

    def endpoints(self) -> list[Endpoint]:
        """Returns the operations for the monitor's service."""
        rows = (
            ("rules", ViewRequest, RulesReply, self.rules, "Show the rules in force."),
            ("silences", ViewRequest, SilencesReply, self.silences, "List the silences."),
            ("silence", SilenceRequest, Silence, self.silence, "Tell nobody of some alerts."),
            ("unsilence", SilenceId, Silence, self.unsilence, "End a silence."),
            ("alert-test", AlertTest, AlertTestReply, self.test, "Fire a rule for a test."),
        )
        return [
            Endpoint(op=op, request=request, reply=reply, handler=handler, doc=doc)
            for op, request, reply, handler, doc in rows
        ]

    async def rules(self, _request: ViewRequest, _call: Call) -> RulesReply:
        """The rules in force."""
        return RulesReply(self._alerts.rules())

    async def silences(self, _request: ViewRequest, _call: Call) -> SilencesReply:
        """The silences."""
        return SilencesReply(self._alerts.silences())

    async def silence(self, request: SilenceRequest, call: Call) -> Silence:
        """A new silence, in the name of the one who asks."""
        alerts = " ".join(request.matchers)
        told = {"who": call.principal, "for": request.duration}
        async with self._audit.act("silence", target=alerts, data=told):
            return await self._alerts.silence(
                request.matchers,
                duration=request.duration,
                by=call.principal,
                comment=request.comment,
                starts=request.starts,
            )

    async def unsilence(self, request: SilenceId, call: Call) -> Silence:
        """A silence that ends now."""
        async with self._audit.act("unsilence", target=request.id, data={"who": call.principal}):
            return await self._alerts.unsilence(request.id)

    async def test(self, request: AlertTest, call: Call) -> AlertTestReply:
        """What became of the notifications of an alert that was fired for a test."""
        async with self._audit.act("alert-test", target=request.rule, data={"who": call.principal}):
            return await self._alerts.test(request.rule, request.labels, by=call.principal)
