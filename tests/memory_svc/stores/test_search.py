import math
import random
from collections import Counter

import msgspec
import pytest

from pepperpy_memory_svc.stores.conditions import compile_condition
from pepperpy_memory_svc.stores.postgres import searching
from pepperpy_memory_svc.stores.redis import searching as redis_searching
from pepperpy_memory_svc.stores.rows import MAX_LEG, Row, Scored, Wanted
from pepperpy_memory_svc.stores.store import Store
from pepperpy_schemas.errors import BadPayload, WrongSequence
from pepperpy_schemas.memory import AllOf, Condition, Entry, Eq, Link, Not, Range
from tests.memory_svc.stores.making import NOW, Filled, entry, filled

WORDS = [f"w{n}" for n in range(40)]


class Oracle:
    """Everything by brute force, in plain Python."""

    def __init__(self, rows: list[Row], gen: Filled) -> None:
        self.rows = rows
        self.vectors = {r.entry.id: (r.vectors or {})[gen.embedding] for r in rows}
        self.lexemes = {r.entry.id: list((r.lexemes or {})[gen.analyser]) for r in rows}

    def allowed(self, where: Condition | None) -> set[str]:
        fits = compile_condition(where)
        return {r.entry.id for r in self.rows if fits(r.entry)}

    def nearest(self, vector: list[float], where: Condition | None) -> dict[str, float]:
        allowed = self.allowed(where)
        return {
            id_: sum(a * b for a, b in zip(vector, each, strict=True))
            / math.hypot(*vector)
            / math.hypot(*each)
            for id_, each in self.vectors.items()
            if id_ in allowed and each is not None
        }

    def worded(self, lexemes: list[str], where: Condition | None) -> dict[str, float]:
        allowed = self.allowed(where)
        number = len(self.lexemes)
        average = sum(map(len, self.lexemes.values())) / number
        scores: Counter[str] = Counter()
        for lexeme in set(lexemes):
            having = [id_ for id_, each in self.lexemes.items() if lexeme in each]
            rare = math.log(1 + (number - len(having) + 0.5) / (len(having) + 0.5))
            for id_ in allowed & set(having):
                often = self.lexemes[id_].count(lexeme)
                length = 0.25 + 0.75 * len(self.lexemes[id_]) / average
                scores[id_] += rare * often * 2.2 / (often + 1.2 * length)  # type: ignore[assignment]  # counts of a kind
        return dict(scores)


def rows_of(memory: Filled, number: int, seed: int = 1) -> list[Row]:
    chance = random.Random(seed)
    rows = []
    for n in range(number):
        one = entry(f"e{n}", metadata={"n": n, "part": n % 100}, importance=n / number)
        vector = [chance.gauss(0, 1) for _ in range(4)] if n % 10 else None
        rows.append(memory.row(one, vector, chance.choices(WORDS, k=chance.randrange(0, 12))))
    return rows


def same(found: list[Scored], wanted: dict[str, float], limit: int, by: float) -> None:
    """Both have the same scores in the same order; of equal ones any may be the last."""
    best = sorted(wanted.values(), reverse=True)[:limit]
    assert [each.score for each in found] == pytest.approx(best, abs=by)
    assert [each.score for each in found] == pytest.approx(
        [wanted[each.id] for each in found], abs=by
    )
    assert len({each.id for each in found}) == len(found)


@pytest.mark.parametrize(
    "where",
    [
        None,
        Eq("metadata.part", 7),
        Not(Eq("metadata.part", 7)),
        Range("metadata.n", gte=100, lt=200.5),
        AllOf([Range("importance", gt=0.9), Range("metadata.n", lt=395)]),
        Eq("metadata.part", "none"),
    ],
)
async def test_both_legs_find_what_comparing_all_finds(
    memory: Filled, where: Condition | None
) -> None:
    rows = rows_of(memory, 400)
    await memory.store.put("ours", rows, now=NOW)
    oracle = Oracle(rows, memory)
    vector, lexemes = [0.3, -2.0, 0.1, 0.7], ["w1", "w2", "w1", "w39", "unknown"]
    texts = {row.entry.id: row.entry.text for row in rows}
    for limit in (1, 10, 1000):
        found = await memory.find(vector, lexemes, where=where, limit=limit)
        same(found.vector, oracle.nearest(vector, where), limit, by=2e-3)
        same(found.words, oracle.worded(lexemes, where), limit, by=1e-6)
        assert set(found.entries) == {each.id for each in (*found.vector, *found.words)}
        assert all(each.text == texts[id_] for id_, each in found.entries.items())


async def test_of_many_lexemes_those_that_tell_most_are_looked_for(memory: Filled) -> None:
    rare, twice, common = ["rare"], ["b", "c", "twice"], ["common"]
    held = [common, common, [*common, *twice], [*common, *twice], [*common, *rare], ["other"]]
    rows = [memory.row(entry(f"e{n}"), None, lexemes) for n, lexemes in enumerate(held)]
    await memory.store.put("ours", rows, now=NOW)
    oracle = Oracle(rows, memory)
    asked = ["unknown", "twice", "common", "rare", "c", "b", "common", "twice"]
    # By how often they are asked for, times how rare they are; of b and c the first.
    for telling, looked_for in (
        (1, ["twice"]),
        (2, ["twice", "rare"]),
        (3, ["twice", "rare", "b"]),
        (4, ["twice", "rare", "b", "c"]),
        (5, ["twice", "rare", "b", "c", "common"]),
        (0, ["twice", "rare", "b", "c", "common"]),
    ):
        found = await memory.find(None, asked, telling=telling)
        same(found.words, oracle.worded(looked_for, None), 100, by=1e-6)
        found = await memory.find(None, asked, telling=telling, where=Eq("id", "e4"))
        same(found.words, oracle.worded(looked_for, Eq("id", "e4")), 100, by=1e-6)


async def test_sums_stay_right_when_entries_come_change_and_go(memory: Filled) -> None:
    rows = rows_of(memory, 60)
    await memory.store.put("ours", rows, now=NOW)
    changed = rows_of(memory, 30, seed=2)
    await memory.store.put("ours", changed, now=NOW)
    await memory.store.delete("ours", [f"e{n}" for n in range(10)], now=NOW)
    oracle = Oracle([*changed[10:], *rows[30:]], memory)
    found = await memory.find([1, 1, 1, 1], WORDS)
    same(found.words, oracle.worded(WORDS, None), 100, by=1e-6)
    same(found.vector, oracle.nearest([1, 1, 1, 1], None), 100, by=2e-3)


@pytest.mark.parametrize("number", [40, 400])
async def test_brief_candidates_are_the_whole_ones(memory: Filled, number: int) -> None:
    rows = rows_of(memory, number)
    links = [msgspec.structs.replace(rows[0].entry, links=[Link("e1"), Link("e2")], session="s")]
    await memory.store.put("ours", [*rows[1:], memory.row(links[0], [1, 0, 0, 0])], now=NOW)
    wanted = Wanted(
        namespace="ours",
        vector=[0.3, -2.0, 0.1, 0.7],
        embedding=memory.embedding,
        lexemes=["w1", "w2"],
        analyser=memory.analyser,
        limit=1000,
    )
    whole = await memory.store.candidates(wanted, now=NOW)
    brief = await memory.store.candidates(msgspec.structs.replace(wanted, brief=True), now=NOW)
    assert (brief.vector, brief.words) == (whole.vector, whole.words)
    assert brief.known.keys() == whole.entries.keys()
    for id_, one in brief.briefs.items():
        all_of_it = whole.entries[id_]
        for name in ("id", "session", "seq", "lang", "importance"):
            assert getattr(one, name) == getattr(all_of_it, name)
        assert one.at == all_of_it.at.timestamp()
        assert list(one.links) == [link.to for link in all_of_it.links]
    bare = await memory.store.candidates(
        msgspec.structs.replace(wanted, brief=True, bare=True), now=NOW
    )
    assert (bare.vector, bare.words) == (whole.vector, whole.words)
    assert {id_: one.lang for id_, one in bare.known.items()} == {
        id_: one.lang for id_, one in whole.entries.items()
    }


async def test_one_leg_alone_is_searched(memory: Filled) -> None:
    await memory.put(entry("a"), [1, 0, 0, 0], ["word"])
    found = await memory.find([1, 0, 0, 0])
    assert (len(found.vector), found.words) == (1, [])
    found = await memory.find(lexemes=["word"])
    assert (found.vector, len(found.words)) == ([], 1)
    found = await memory.find()
    assert found.entries == {}


async def test_equal_scores_are_in_order_of_id(memory: Filled) -> None:
    for id_ in "cab":
        await memory.put(entry(id_), [1, 0, 0, 0], ["word"])
    found = await memory.find([1, 0, 0, 0], ["word"])
    assert [each.id for each in found.vector] == [each.id for each in found.words] == list("abc")


async def test_the_length_of_a_vector_does_not_count(memory: Filled) -> None:
    await memory.put(entry("a"), [1e-6, 0, 0, 0])
    await memory.put(entry("b"), [1e30, 1e29, 0, 0])
    await memory.put(entry("c"), [1e307, 2e306, 0, 0])
    found = await memory.find([5e300, 0, 0, 0])
    assert [each.id for each in found.vector] == ["a", "b", "c"]
    assert found.vector[0].score == pytest.approx(1, abs=1e-3)


async def test_vectors_are_given_back_at_unit_length(memory: Filled) -> None:
    await memory.put(entry("a"), [3, 4, 0, 0])
    await memory.put(entry("b"))
    asked = ["a", "b", "c", "no id!"]
    found = await memory.store.vectors("ours", asked, embedding=memory.embedding, now=NOW)
    assert list(found) == ["a"]
    assert list(found["a"]) == pytest.approx([0.6, 0.8, 0, 0], abs=1e-3)


@pytest.mark.parametrize("limit", [0, -1, MAX_LEG + 1, 10**9])
async def test_a_limit_that_cannot_be_is_refused(memory: Filled, limit: int) -> None:
    with pytest.raises(BadPayload, match="limit"):
        await memory.find([1, 0, 0, 0], limit=limit)


async def test_the_highest_limit_is_taken(memory: Filled) -> None:
    await memory.put(entry("a"), [1, 0, 0, 0])
    assert len((await memory.find([1, 0, 0, 0], limit=MAX_LEG)).vector) == 1


@pytest.mark.parametrize("number", [999, -1, 2**31 - 1])
async def test_a_generation_that_is_not_there_is_told(memory: Filled, number: int) -> None:
    other = Filled(memory.store, number, memory.analyser)
    with pytest.raises(WrongSequence, match="generation"):
        await other.find([1, 0, 0, 0])
    with pytest.raises(WrongSequence):
        await memory.store.vectors("ours", ["a"], embedding=number, now=NOW)
    other = Filled(memory.store, memory.embedding, number)
    with pytest.raises(WrongSequence):
        await other.find(lexemes=["word"])
    # An embedder's is no analyser's.
    with pytest.raises(WrongSequence):
        await Filled(memory.store, memory.analyser, memory.embedding).find(lexemes=["word"])


async def test_among_many_a_selective_filter_misses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FEW", 300)
    monkeypatch.setattr(redis_searching, "FEW", 300)
    memory = await filled(store, dims=8)
    chance = random.Random(5)
    rows = []
    for n in range(1400):
        one = entry(f"e{n}", metadata={"part": n % 100, "half": n % 2, "n": n})
        rows.append(memory.row(one, [chance.gauss(0, 1) for _ in range(8)], [f"w{n % 7}"]))
    await store.put("ours", rows, now=NOW)
    await store.put("theirs", [memory.row(_theirs(rows[1].entry), [1] * 8, ["w1"])], now=NOW)
    oracle = Oracle(rows, memory)
    vector = [chance.gauss(0, 1) for _ in range(8)]
    for where, least in (
        (Eq("metadata.part", 3), 1.0),
        (Range("metadata.n", lt=14), 1.0),
        (Eq("metadata.half", 1), 0.95),
        (None, 0.95),
    ):
        found = await memory.find(vector, ["w1"], where=where, limit=100)
        exact = oracle.nearest(vector, where)
        best = set(sorted(exact, key=lambda id_: -exact[id_])[:100])
        assert len(found.vector) == min(100, len(exact))
        assert len({each.id for each in found.vector} & best) >= least * len(best)
        same(found.words, oracle.worded(["w1"], where), 100, by=1e-6)
    # More than the index looks at.
    found = await memory.find(vector, where=Eq("metadata.half", 1), limit=5000)
    assert len(found.vector) == 700


def _theirs(one: Entry) -> Entry:
    return entry(one.id, namespace="theirs")
