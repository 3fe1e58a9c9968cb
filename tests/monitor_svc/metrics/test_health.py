from typing import Any

import pytest

from pepperpy_monitor_svc.metrics.health import Seen, components
from pepperpy_monitor_svc.metrics.probing import Found
from pepperpy_schemas.monitor import AgentRow, ComponentHealth, FleetCounts, StreamRow

STREAMS = [StreamRow(name=f"PP_{one}") for one in ("TASKS", "RESULTS", "EVENTS", "STEPS", "DLQ")]
WELL = Seen(
    prefix="pp",
    connected=True,
    broker={"address": "nats://127.0.0.1:4222"},
    problem="",
    streams=STREAMS,
    agents=[
        AgentRow(agent="support", instance="i1", state="up"),
        AgentRow(agent="edge", instance="e1", state="up"),
        AgentRow(agent="provider", instance="p1", state="up"),
    ],
    probes={"provider": Found("ok", ""), "memory": Found()},
    counts=FleetCounts(bytes=1, limit_bytes=4),
    behind={},
    complete=True,
    leads=True,
)


def found(**other: Any) -> dict[str, ComponentHealth]:
    seen = Seen(**{name: getattr(WELL, name) for name in WELL.__struct_fields__} | other)
    return {one.name: one for one in components(seen)}


def test_a_deployment_that_is_well_says_so_of_each_part_that_is_there() -> None:
    told = found()
    assert {name: one.status for name, one in told.items()} == {
        "broker": "ok",
        "streams": "ok",
        "provider": "ok",
        "memory": "unknown",
        "edge": "ok",
        "monitor": "ok",
        "agent/support": "ok",
    }
    assert told["memory"].reason == "nobody offers it"
    assert told["monitor"].details == {"leads": True, "memory": "25%"}
    assert all(one.at is not None for one in told.values())


@pytest.mark.parametrize(
    ("other", "name", "status", "reason"),
    [
        ({"connected": False}, "broker", "down", "no connection"),
        ({"connected": False}, "streams", "unknown", "not told"),
        ({"problem": "disk is full"}, "broker", "degraded", "disk is full"),
        ({"streams": STREAMS[1:]}, "streams", "down", "missing: PP_TASKS"),
        ({"streams": None}, "streams", "unknown", "not told"),
        (
            {"streams": [*STREAMS, StreamRow(name="PP_X", messages=95, max_messages=100)]},
            "streams",
            "degraded",
            "nearly full: PP_X to 95%",
        ),
        ({"probes": {"provider": Found("down", "no answer")}}, "provider", "down", "no answer"),
        ({"probes": {}}, "provider", "degraded", "it beats, and does not answer yet"),
        ({"probes": {}}, "memory", "unknown", "not asked yet"),
        ({"agents": []}, "edge", "unknown", "none runs here"),
        (
            {"complete": False, "behind": {"PP_EVENTS": 9}},
            "monitor",
            "degraded",
            "9 messages to go",
        ),
        ({"behind": {"PP_EVENTS": 5000}}, "monitor", "degraded", "5000 messages behind"),
        ({"counts": FleetCounts(missed=3)}, "monitor", "degraded", "3 messages were never seen"),
    ],
)
def test_what_is_not_well_says_why(
    other: dict[str, Any], name: str, status: str, reason: str
) -> None:
    one = found(**other)[name]
    assert one.status == status
    assert reason in one.reason


def instances(*states: str) -> list[AgentRow]:
    return [
        AgentRow(agent="support", instance=f"i{n}", state=state, reason="no heartbeat for 16 s")  # type: ignore[arg-type]  # a test's own
        for n, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("up", "up"), "ok"),
        (("up", "draining"), "ok"),
        (("up", "stopped"), "ok"),
        (("up", "lost"), "degraded"),
        (("up", "stale"), "degraded"),
        (("lost", "stale"), "down"),
        (("stopped", "stopped"), "unknown"),
    ],
)
def test_an_agent_is_as_well_as_its_instances(states: tuple[str, ...], status: str) -> None:
    one = found(agents=instances(*states))["agent/support"]
    assert one.status == status
    if status in {"degraded", "down"}:
        assert "no heartbeat for 16 s" in one.reason


def test_of_many_lost_instances_some_are_named_and_the_others_counted() -> None:
    one = found(agents=instances(*["lost"] * 10))["agent/support"]
    assert one.reason.count("is lost") == 3
    assert one.reason.endswith(", and 7 more")


def test_a_service_whose_replica_is_lost_is_degraded_while_another_one_answers() -> None:
    rows = [
        AgentRow(agent="provider", instance="p1", state="up"),
        AgentRow(agent="provider", instance="p2", state="lost"),
    ]
    assert found(agents=rows)["provider"].status == "degraded"
    nobody = found(agents=rows[1:], probes={"provider": Found()})["provider"]
    assert (nobody.status, nobody.reason) == ("down", "p2 is lost")
