import pytest

from pepperpy_schemas.errors import BadName
from pepperpy_schemas.tokens import (
    HIGH_LANE,
    MAX_SPLIT_TOPIC,
    _Ids,
    check_token,
    check_topic,
    new_id,
    topic_of,
    version_lane,
)

# Rows 8, 11 and 12 of the table of bad inputs.
BAD_TOKENS = [
    "",
    "a.b",
    "a..b",
    "*",
    ">",
    "a b",
    "a\r\nb",
    "a\n",
    "/",
    "../x",
    "a\0",
    "\u202eabc",
    "a\u200b",
    "\U000e0041",
    "é",
    "x" * 65,
    "x" * 5000,
]


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_a_name_that_cannot_travel_is_refused_with_what_it_names(token: str) -> None:
    with pytest.raises(BadName, match="task id") as refused:
        check_token(token, what="task id")
    assert refused.value.context == {"what": "task id"}
    assert "64 characters" in refused.value.hint
    assert len(refused.value.message) < 200


@pytest.mark.parametrize("token", ["a", "PP_TASKS-7", "x" * 64, "-", "_"])
def test_a_valid_name_comes_back_as_it_is(token: str) -> None:
    assert check_token(token, what="topic") == token


def test_a_topic_may_not_take_the_name_of_the_high_priority_lane() -> None:
    with pytest.raises(BadName, match="high-priority lane") as refused:
        check_topic("triage-hi")
    assert "'triage'" in refused.value.hint
    assert check_topic("triage") == "triage"


def test_new_ids_are_valid_and_differ() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(check_token(one, what="id") and len(one) == 22 for one in ids)


def test_no_id_looks_like_an_option() -> None:
    ids = _Ids()
    for _ in range(500):
        ids.renew()
        assert ids.next()[0].isalpha()


@pytest.mark.parametrize("topic", ["triage", "a-v1", "x-v1_1", "t" * MAX_SPLIT_TOPIC])
@pytest.mark.parametrize(
    "version",
    ["1.2.0", "1.0.0-rc.1", "1.0.0-hi", "1.0.0+build.5", "10.20.30-alpha.1.2.3", "1.1.0-v1.0.0"],
)
def test_the_lane_of_a_version_is_a_name_that_tells_the_topic(topic: str, version: str) -> None:
    lane = version_lane(topic, version)
    assert check_token(lane + HIGH_LANE, what="lane")
    assert topic_of(lane) == topic_of(lane + HIGH_LANE) == topic
    assert lane != version_lane(topic, version + ".1" if "-" in version else version + "-0")
    with pytest.raises(BadName, match="lane of a version"):
        check_topic(lane)


def test_a_topic_without_a_version_is_its_own_lane() -> None:
    assert version_lane("triage", "1.2.0") == "triage-v1_2_0"
    assert topic_of("triage") == topic_of("triage-hi") == "triage"
    assert topic_of("a-v1_2") == "a-v1_2"


def test_a_topic_that_is_too_long_has_no_lanes() -> None:
    with pytest.raises(BadName, match="too long"):
        version_lane("t" * 60, "1.2.0")
