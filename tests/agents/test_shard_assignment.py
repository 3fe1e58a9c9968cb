"""Who should own which shard, as a pure computation."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy_agents.sharding.assignment import WEIGHT, Balance, ShardingOptions
from pepperpy_bus.streams.topology import SHARDS
from pepperpy_bus.versions.sharing_out import homes, in_force
from pepperpy_schemas.sharding import Shard, ShardMember, ShardTable

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
NAMES = ("a", "b", "c", "d", "e")
THRESHOLD = ShardingOptions().rebalance_threshold

members = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(
        ShardMember,
        beat=st.sampled_from([NOW, NOW - timedelta(seconds=14), NOW - timedelta(seconds=16)]),
        every=st.just(5.0),
        capacity=st.integers(1, 200),
        min_free=st.integers(0, 20),
        held=st.integers(0, 100),
    ),
)
shards = st.lists(
    st.builds(
        Shard,
        owner=st.sampled_from(["", *NAMES]),
        since=st.sampled_from([LONG_AGO, NOW]),
        moves=st.integers(0, 5),
        load=st.floats(0, 1),
    ),
    max_size=SHARDS,
)
tables = st.builds(ShardTable, members=members, shards=shards)


def member(held: int = 0, *, age: float = 0.0, capacity: int = 100) -> ShardMember:
    return ShardMember(NOW - timedelta(seconds=age), 5.0, capacity, 10, held)


def table(owners: dict[str, list[float]], **more: ShardMember) -> ShardTable:
    """A table with so many settled shards of so much load for each owner."""
    owned = [Shard(name, LONG_AGO, 1, load) for name, loads in owners.items() for load in loads]
    return ShardTable({**{name: member() for name in owners if name}, **more}, owned)


def renewed(before: ShardTable | None, me: str, vitals: ShardMember | None = None) -> Balance:
    balance = Balance(before, NOW)
    balance.join(me, vitals or member())
    balance.drop_failed()
    balance.place()
    balance.even_out(me, THRESHOLD)
    return balance


def counts(balance: Balance) -> dict[str, int]:
    owners = [shard.owner for shard in balance.shards]
    return {name: owners.count(name) for name in sorted(set(owners))}


@given(tables, st.sampled_from(NAMES))
def test_only_the_living_own_shards(before: ShardTable, me: str) -> None:
    balance = renewed(before, me)
    alive = {name for name, one in before.members.items() if not one.has_failed(NOW)} | {me}
    assert set(balance.members) == alive
    assert {shard.owner for shard in balance.shards} <= alive | {""}
    assert len(balance.shards) == SHARDS


@given(tables, st.sampled_from(NAMES))
def test_nobody_takes_from_a_living_owner(before: ShardTable, me: str) -> None:
    balance = renewed(before, me)
    for old, new in zip(before.shards, balance.shards, strict=False):
        if old.owner in balance.members and old.owner != me:
            assert new.owner == old.owner


@given(tables, st.sampled_from(NAMES))
def test_a_shard_stays_free_only_when_nobody_has_room(before: ShardTable, me: str) -> None:
    balance = renewed(before, me)
    if any(not shard.owner for shard in balance.shards):
        given_to = dict.fromkeys(balance.members, 0.0)
        for change in balance.changes:
            if change.verb == "assigned":
                given_to[change.owner] += balance.shards[change.shard].load
        for name, one in balance.members.items():
            assert one.free - given_to[name] < max(1, one.min_free)


@given(tables, st.sampled_from(NAMES))
def test_nobody_without_room_gets_a_shard(before: ShardTable, me: str) -> None:
    balance = renewed(before, me)
    for change in balance.changes:
        if change.owner:
            taker = balance.members[change.owner]
            assert taker.free >= max(1, taker.min_free)


@given(tables, st.sampled_from(NAMES))
def test_every_move_narrows_the_gap(before: ShardTable, me: str) -> None:
    balance = Balance(before, NOW)
    balance.join(me, member())
    balance.drop_failed()
    balance.place()
    gave = balance.load(me)
    loads = {name: balance.load(name) for name in balance.members}
    balance.even_out(me, THRESHOLD)
    for name, load in loads.items():
        if name != me and balance.load(name) > load:
            assert balance.load(name) < gave + 1e-9
    assert balance.load(me) <= gave


@given(tables, st.sampled_from(NAMES))
def test_a_second_look_changes_nothing(before: ShardTable, me: str) -> None:
    first = renewed(before, me)
    vitals = first.members[me]
    second = renewed(first.table, me, vitals)
    assert [c for c in second.changes if c.verb == "moved"] == []
    assert [c for c in second.changes if c.verb == "lost"] == []


@given(tables, st.sampled_from(NAMES))
def test_who_leaves_owns_nothing(before: ShardTable, me: str) -> None:
    balance = Balance(before, NOW)
    balance.leave(me)
    assert me not in balance.members
    assert balance.owned(me) == []


def test_the_first_worker_gets_everything_and_the_next_one_half() -> None:
    alone = renewed(None, "a")
    assert counts(alone) == {"a": SHARDS}
    settled = table({"a": [0.0] * SHARDS}, b=member())
    assert counts(renewed(settled, "a")) == {"a": 17, "b": 15}
    assert counts(renewed(settled, "b")) == {"a": SHARDS}


def test_load_counts_not_the_number_of_shards() -> None:
    balance = renewed(table({"a": [1.0, 1.0] + [0.0] * 14, "b": [0.0] * 16}), "a")
    (moved,) = balance.changes
    assert (moved.verb, moved.owner, moved.before) == ("moved", "b", "a")
    assert moved.shard in (0, 1)


def test_a_gap_below_the_threshold_moves_nothing() -> None:
    assert renewed(table({"a": [0.3] * 17, "b": [0.3] * 15}), "a").changes == []


def test_a_shard_that_has_just_come_stays_for_three_heartbeats() -> None:
    fresh = [Shard("a", NOW - timedelta(seconds=14), 1, 0.0)] * SHARDS
    both = {"a": member(), "b": member()}
    assert renewed(ShardTable(both, fresh), "a").changes == []


def test_three_missed_heartbeats_are_a_failure() -> None:
    owned = {"a": [0.0] * 16, "b": [0.0] * 16}
    assert renewed(table(owned, b=member(age=14)), "a").changes == []
    after = renewed(table(owned, b=member(age=16)), "a")
    assert counts(after) == {"a": SHARDS}
    assert [change.verb for change in after.changes] == ["lost"] * 16 + ["assigned"] * 16


def test_below_its_free_capacity_a_worker_gets_no_new_shard() -> None:
    tired = table({"": [1.0] * SHARDS}, b=member(held=91))
    assert counts(renewed(tired, "a", member(held=85))) == {"": 26, "a": 6}
    idle = table({"": [0.0] * SHARDS}, b=member(held=91))
    assert counts(renewed(idle, "a", member(held=90))) == {"a": SHARDS}


def test_a_worker_without_room_gets_nothing_for_the_balance() -> None:
    full = table({"a": [0.5] * SHARDS}, b=member(held=95))
    assert renewed(full, "a").changes == []


def test_who_leaves_gives_to_whoever_has_the_least_to_do() -> None:
    balance = Balance(table({"a": [0.5] * 4, "b": [0.5] * 20, "c": [0.5] * 8}), NOW)
    balance.leave("a")
    assert counts(balance) == {"b": 20, "c": 12}
    assert {change.verb for change in balance.changes} == {"moved"}


def test_the_last_one_leaves_the_shards_to_nobody() -> None:
    balance = Balance(table({"a": [0.0] * SHARDS}), NOW)
    balance.leave("a")
    assert counts(balance) == {"": SHARDS}
    assert balance.members == {}


def test_the_load_of_a_member_is_the_weight_of_its_shards() -> None:
    balance = Balance(table({"a": [0.0, 0.5]}), NOW)
    balance.measure("a", {0: 0.25})
    assert balance.load("a") == pytest.approx(2 * WEIGHT + 0.75)


def test_the_next_look_is_due_when_the_first_of_the_others_would_fail() -> None:
    both = ShardTable({"a": member(age=14), "b": member(age=4), "c": member()}, [])
    assert Balance(both, NOW).next_failure(other_than="a") == pytest.approx(11)
    assert Balance(None, NOW).next_failure(other_than="a") == float("inf")


def of_version(version: str) -> ShardMember:
    return msgspec.structs.replace(member(capacity=1000), version=version)


def settled(weights: dict[str, int], versions: dict[str, str]) -> Balance:
    """A table that every member of a version has brought into order, twice, by these weights."""
    made: ShardTable | None = None
    balance = Balance(made, NOW, weights)
    for name in [*versions, *versions, *versions]:
        balance = Balance(made, NOW, weights)
        for one, version in versions.items():
            balance.join(one, of_version(version))
        balance.send_home(name)
        balance.place()
        balance.even_out(name, THRESHOLD)
        made = balance.table
    return balance


@given(
    st.dictionaries(st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]), st.integers(0, 100)),
    st.dictionaries(
        st.sampled_from(NAMES), st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]), min_size=1
    ),
)
def test_each_shard_comes_to_a_member_of_the_version_that_it_belongs_to(
    weights: dict[str, int], versions: dict[str, str]
) -> None:
    balance = settled(weights, versions)
    wanted = homes(in_force(weights, set(versions.values())))
    for shard, home in zip(balance.shards, wanted, strict=True):
        assert shard.owner
        assert home in ("", versions[shard.owner])


def test_shards_of_a_version_that_has_gone_go_to_the_others() -> None:
    weights = {"1.0.0": 75, "1.1.0": 25}
    balance = settled(weights, {"a": "1.0.0", "b": "1.1.0"})
    assert counts(balance) == {"a": 24, "b": 8}
    left = Balance(balance.table, NOW, weights)
    left.leave("b")
    assert counts(left) == {"a": SHARDS}
    back = settled(weights, {"a": "1.0.0", "b": "1.1.0", "c": "1.1.0"})
    assert counts(back) == {"a": 24, "b": 4, "c": 4}
