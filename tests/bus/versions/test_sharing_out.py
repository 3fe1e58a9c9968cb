from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_bus.versions.sharing_out import choose, homes, in_force

KEYS = [f"key-{n}" for n in range(2000)]
WEIGHTS = st.dictionaries(
    st.sampled_from(["1.0.0", "1.1.0", "2.0.0", "2.0.1", "3.0.0"]),
    st.integers(1, 100),
    min_size=1,
)


@given(WEIGHTS)
@settings(max_examples=25, deadline=None)
def test_keys_go_to_versions_in_proportion_to_their_weights(weights: dict[str, int]) -> None:
    found = Counter(choose(weights, key) for key in KEYS)
    total = sum(weights.values())
    for version, weight in weights.items():
        part = weight / total
        # Five standard deviations.
        spread = 5 * (len(KEYS) * part * (1 - part)) ** 0.5
        assert abs(found[version] - len(KEYS) * part) <= spread + 1


@given(WEIGHTS, st.data())
@settings(max_examples=25, deadline=None)
def test_when_a_version_has_gone_only_its_keys_move(
    weights: dict[str, int], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(weights)))
    left = {version: n for version, n in weights.items() if version != gone}
    for key in KEYS[:300]:
        before, after = choose(weights, key), choose(left, key)
        assert after == (before if before != gone else after)
        assert (after == "") == (not left)


def test_a_raised_weight_takes_keys_and_gives_none() -> None:
    before, after = {"1.0.0": 90, "1.1.0": 10}, {"1.0.0": 50, "1.1.0": 50}
    for key in KEYS:
        if choose(before, key) == "1.1.0":
            assert choose(after, key) == "1.1.0"


@given(WEIGHTS, st.integers(5, 64))
def test_shards_have_homes_in_proportion_to_the_nearest_whole(
    weights: dict[str, int], count: int
) -> None:
    found = homes(in_force(weights, weights), count)
    assert len(found) == count
    parts, total = Counter(found), sum(weights.values())
    for version, weight in weights.items():
        assert parts[version] >= 1
        assert abs(parts[version] - count * weight / total) < len(weights)


def test_shards_have_no_home_without_weights() -> None:
    assert set(homes({})) == {""}
    assert homes({"1.0.0": 90, "1.1.0": 10}).count("1.1.0") == 3


def test_weights_count_of_versions_that_are_up() -> None:
    assert in_force({"1.0.0": 90, "1.1.0": 0, "2.0.0": 5}, {"1.0.0", "1.1.0"}) == {"1.0.0": 90}
