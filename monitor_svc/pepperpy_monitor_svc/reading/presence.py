"""Who is up: every heartbeat, and every instance that is gone, read from the registry."""

from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_monitor_svc.reading.facts import Facts
from pepperpy_schemas import headers as h
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.messages import AgentInstance

log = get_log("pepperpy.monitor")

_GONE: Final = (h.MARKER_REASON.lower(), h.KV_OPERATION.lower())
"""Headers of a marker that stands where a heartbeat was: it expired, or the instance left."""


def take_presence(facts: Facts, delivery: Delivery, at: float) -> None:
    """Hands on what a message of the registry's stream says.

    Args:
        facts: Who takes it.
        delivery: On ``$KV.<prefix>_registry.<agent>.<instance>``.
        at: When it was stored, seconds since the epoch.
    """
    if delivery.headers and any(name in delivery.headers for name in _GONE):
        agent, _, instance = delivery.subject.split(".", 2)[2].partition(".")
        facts.gone(agent, instance, at)
        return
    try:
        facts.beat(decode(delivery.body, AgentInstance), at)
    except PepperError as error:
        log.warning("monitor.bad_beat", subject=delivery.subject, error=str(error))
