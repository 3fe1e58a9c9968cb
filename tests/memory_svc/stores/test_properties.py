"""Any operations give what a plain model of a store gives, by a clock of the test's."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_schemas.errors import Conflict
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Entry,
    Eq,
    Exists,
    In,
    Not,
    Range,
    Scalar,
)
from tests.memory_svc.stores.making import NOW, Filled, entry, fresh

# Every example has a namespace of its own, so that the store may stay.
several = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

TEXTS = st.sampled_from(["", "a", "b", "ab", "B", "é", "1", "null", "%"])
NUMBERS = st.sampled_from([0, 1, -1, 1.0, 0.1, 2.5, 2**53 + 1, float(2**53), 1e23, -0.0])
SCALARS: st.SearchStrategy[Scalar] = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES: st.SearchStrategy[Any] = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from("xy"), SCALARS)
)
METADATA = st.dictionaries(st.sampled_from("abx"), VALUES, max_size=3)
TIMES = st.sampled_from(
    ["2026-03-01T12:00:00Z", "2026-03-01T12:00:05Z", "2026-03-01T15:00:00+02:00"]
)
FIELDS = st.sampled_from(["metadata.a", "metadata.b", "metadata.a.x", "metadata.x.y"])
OWN_FIELDS = st.sampled_from(["agent", "lang", "importance", "trusted", "ttl", "seq", "text"])
TIME_FIELDS = st.sampled_from(["at", "expires"])


def _ranges(fields: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> Any:
    bounds = st.lists(values, min_size=1, max_size=2)
    names = st.permutations(["gt", "gte", "lt", "lte"])
    return st.builds(
        lambda field, given, keys: Range(field, **dict(zip(keys, given, strict=False))),
        fields,
        bounds,
        names,
    )


ANY_FIELD = st.one_of(FIELDS, OWN_FIELDS)
LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Eq, ANY_FIELD, SCALARS),
    st.builds(In, ANY_FIELD, st.lists(SCALARS, max_size=4)),
    st.builds(Contains, ANY_FIELD, SCALARS),
    st.builds(Exists, st.one_of(ANY_FIELD, TIME_FIELDS)),
    st.builds(Eq, TIME_FIELDS, st.one_of(st.none(), TIMES)),
    _ranges(ANY_FIELD, NUMBERS),
    _ranges(ANY_FIELD, TEXTS),
    _ranges(TIME_FIELDS, TIMES),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3)),
        st.builds(AnyOf, st.lists(inner, max_size=3)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {
        "metadata": METADATA,
        "agent": TEXTS,
        "lang": TEXTS,
        "importance": st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        "trusted": st.booleans(),
        "ttl": st.sampled_from([None, 1.0, 2.5]),
        "at": st.sampled_from([NOW, NOW + timedelta(seconds=5)]),
        "expires": st.sampled_from([None, NOW + timedelta(hours=1)]),
        "text": st.sampled_from(["a", "ab", "é%"]),
    }
)


@several
@given(entries=st.lists(ENTRIES, min_size=1, max_size=8), condition=CONDITIONS)
async def test_filters_give_exactly_what_brute_force_gives(
    memory: Filled, entries: list[dict[str, Any]], condition: Condition
) -> None:
    namespace = fresh()
    made = [entry(f"e{n}", namespace=namespace, **one) for n, one in enumerate(entries)]
    rows = [memory.row(one, [1, 0, 0, 0], ["word"]) for one in made]
    await memory.store.put(namespace, rows, now=NOW)
    fits = compile_condition(condition)
    wanted = sorted(one.id for one in made if fits(one))
    scanned = await memory.store.scan(namespace, now=NOW, where=condition)
    assert [each.id for each in scanned] == wanted
    found = await memory.find([1, 0, 0, 0], ["word"], where=condition, namespace=namespace)
    assert [each.id for each in found.vector] == [each.id for each in found.words] == wanted
    assert {each.id: each for each in scanned} == found.entries


IDS = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("put"), IDS, st.sampled_from([None, 1.0, 3.0]), st.booleans()),
    st.tuples(st.just("touch"), IDS),
    st.tuples(st.just("delete"), IDS),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1.0, 2.999999])),
    st.tuples(st.just("purge")),
    st.tuples(st.just("expect"), IDS, st.integers(0, 5)),
)


class Model:
    """A store as a dict."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.given: dict[str, set[int]] = {}
        self.now = NOW

    def live(self) -> dict[str, Entry]:
        return {
            id_: one
            for id_, one in self.entries.items()
            if one.expires is None or one.expires > self.now
        }

    def version(self, id_: str) -> int:
        return self.live()[id_].version if id_ in self.live() else 0

    def put(self, one: Entry) -> None:
        given = self.given.setdefault(one.id, set())
        # Neither is one given twice, nor does one go back.
        assert one.version > max(given, default=0)
        if self.version(one.id):
            assert one.version == self.version(one.id) + 1
        given.add(one.version)
        self.entries[one.id] = one


@several
@given(steps=st.lists(STEPS, max_size=14))
async def test_time_passes_alike_in_the_store_and_in_a_model(
    memory: Filled, steps: list[tuple[Any, ...]]
) -> None:
    namespace, model = fresh(), Model()
    for step in steps:
        await _take(memory, namespace, model, step)
        await _compare(memory, namespace, model)


async def _take(memory: Filled, namespace: str, model: Model, step: tuple[Any, ...]) -> None:
    store, now = memory.store, model.now
    match step:
        case ("put", id_, ttl, refresh):
            one = _mortal(namespace, id_, now, ttl, refresh=refresh)
            model.put(await memory.put(one, [1, 0, 0, 0], ["word"], now=now))
        case ("touch", id_):
            there = model.live().get(id_)
            renews = there is not None and there.ttl is not None
            assert await store.touch(namespace, [id_], now=now) == int(renews)
            if there is not None and there.ttl is not None:
                fields = {name: getattr(there, name) for name in Entry.__struct_fields__}
                fields["expires"] = now + timedelta(seconds=there.ttl)
                model.entries[id_] = Entry(**fields)
        case ("delete", id_):
            gone = await store.delete(namespace, [id_], now=now)
            assert gone == ([id_] if id_ in model.live() else [])
            model.entries.pop(id_, None)
        case ("wait", seconds):
            model.now += timedelta(seconds=seconds)
        case ("purge",):
            await store.purge(now=now)
        case ("expect", id_, version):
            one = _mortal(namespace, id_, now, None, refresh=False)
            if version == model.version(id_):
                model.put(await memory.put(one, expected=version, now=now))
            else:
                with pytest.raises(Conflict):
                    await memory.put(one, expected=version, now=now)


def _mortal(namespace: str, id_: str, now: datetime, ttl: float | None, *, refresh: bool) -> Entry:
    expires = None if ttl is None else now + timedelta(seconds=ttl)
    return entry(
        id_,
        namespace=namespace,
        created=now,
        updated=now,
        expires=expires,
        ttl=ttl if refresh else None,
    )


async def _compare(memory: Filled, namespace: str, model: Model) -> None:
    live = model.live()
    assert await memory.store.get(namespace, list("abc"), now=model.now) == live
    scanned = await memory.store.scan(namespace, now=model.now)
    assert scanned == [live[id_] for id_ in sorted(live)]
    found = await memory.find([1, 0, 0, 0], ["word"], namespace=namespace, now=model.now)
    assert set(found.entries) <= set(live)
    figures = await memory.store.figures([namespace], now=model.now)
    assert figures[namespace].entries == len(live)


@several
@given(
    ids=st.sets(st.text("aB_-0", min_size=1, max_size=3), max_size=12),
    size=st.integers(1, 5),
)
async def test_paging_gives_every_entry_once_in_order(
    memory: Filled, ids: set[str], size: int
) -> None:
    namespace = fresh()
    rows = [memory.row(entry(id_, namespace=namespace)) for id_ in ids]
    await memory.store.put(namespace, rows, now=NOW)
    read: list[str] = []
    while True:
        last = read[-1] if read else ""
        page = await memory.store.scan(namespace, now=NOW, after=last, limit=size)
        read += [each.id for each in page]
        if len(page) < size:
            break
    assert read == sorted(ids)
