"""Groups: whose turn it is."""

from collections import Counter

import pytest

from pepperpy_bus.routing import Group, Member, choose, members
from pepperpy_bus.units import now
from pepperpy_schemas.errors import BadConfig, BadGraph, BadName
from pepperpy_schemas.graphs import GroupSpec
from pepperpy_schemas.messages import AgentInstance, Load


def instance(
    agent: str, *topics: str, version: str = "1.0.0", busy: int = 0, state: str = "running"
) -> AgentInstance:
    load = Load(in_flight=busy, slots=4)
    return AgentInstance(
        agent, f"{agent}1", version, state, list(topics), ["write"], load, "h", 1, now(), now()
    )


def test_members_are_the_topics_of_who_fits_and_works() -> None:
    up = [
        instance("ana", "ana-write", busy=1),
        instance("ana", "ana-write", busy=2),
        instance("bob", "bob-write", version="2.0.0"),
        instance("cem", "cem-write", state="paused"),
    ]
    assert members("w", GroupSpec(capability="write"), up) == [
        Member("ana-write", 3, 8),
        Member("bob-write", 0, 4),
    ]
    assert members("w", GroupSpec(["ana"]), up) == [Member("ana-write", 3, 8)]
    assert members("w", GroupSpec(capability="write", version=">=2"), up) == [
        Member("bob-write", 0, 4)
    ]
    assert members("w", GroupSpec(capability="fly"), up) == []


def test_who_works_on_several_topics_is_no_member_without_saying_which() -> None:
    up = [instance("ana", "read", "write")]
    with pytest.raises(BadConfig, match="agent ana works on read, write"):
        members("w", GroupSpec(["ana"]), up)
    assert members("w", GroupSpec(["ana"], topics=["write"]), up) == [Member("write", 0, 4)]


def test_the_policies() -> None:
    found = [Member("a", 4, 4), Member("b", 1, 4), Member("c", 1, 8)]
    turns = Counter(choose(found, "round_robin", turn=n, sent={}).topic for n in range(9))
    assert turns == {"a": 3, "b": 3, "c": 3}
    assert choose(found, "least_loaded", turn=0, sent={}).topic == "c"
    sent: Counter[str] = Counter()
    for turn in range(10):
        sent[choose(found, "least_loaded", turn=turn, sent=sent).topic] += 1
    # What was sent counts before a heartbeat tells of it.
    assert sent == {"b": 3, "c": 7}


def test_a_group_that_has_no_meaning_is_refused() -> None:
    with pytest.raises(BadGraph, match="says nothing of its members"):
        Group("w")
    with pytest.raises(BadName, match="name of a group"):
        Group("a group", capability="write")
    with pytest.raises(BadName, match="version range"):
        Group("w", capability="write", version="newest")
