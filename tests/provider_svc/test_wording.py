"""What vectors hardly see decides whether two questions can be similar."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_provider_svc.cache.wording import exact, reordered
from tests.provider_svc.test_likeness import likeness

WORDS = st.lists(st.sampled_from(["from", "to", "euros", "dollars", "many", "how"]), max_size=8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is a dose of 5 mg safe?", "Is a dose of 5 g safe?"),
        ("How fast is 5 MW made?", "How fast is 5 mW made?"),
        ("What are 10 dollars in euros?", "What are 10 euros in dollars?"),
        ("Is option A better than option B?", "Is option B better than option A?"),
        ("Is option A good?", "Is option B good?"),
        ("Is it so when x >= 10?", "Is it so when x > 10?"),
        ("Is it so when x != 10?", "Is it so when x = 10?"),
        ("Is 30 °C warm?", "Is 30 °F warm?"),
        ("Is 30℃ warm?", "Is 30℉ warm?"),
        ("Is -5 cold?", "Is 5 cold?"),
        ("Is 5% much?", "Is 5 much?"),
        ("Is it worth $5?", "Is it worth €5?"),
        ("When did World War I end?", "When did World War II end?"),
        ("Who won Super Bowl XLIX?", "Who won Super Bowl XLVIII?"),
        ("Where is ab42?", "Where is cd42?"),
    ],
)
def test_what_changes_the_meaning_is_part_of_the_key(one: str, other: str) -> None:
    assert likeness(one).key != likeness(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What's the height?", "how high is it"),
        ("How can I pay?", "Which ways to pay are there?"),
        ("Can I get a refund?", "Is it possible to get my money back?"),
        ("A lamp arrived. I want another.", "My lamp is broken, send a new one!"),
        ("Is a dose of 5 mg safe?", "Hi! Is 5mg a safe dose? Thanks."),
        ("Is 30 °C warm?", "please tell me: is 30 ℃ warm"),
        ("Is it option A?", "Should it be (A)?"),
        ("Does it weigh ４２ kg?", "Is its weight 42 kg?"),
        ("Where is c42 now?", "Where is c42 right now?"),
        ("Was it in 1990? Tell me.", "Did that happen in 1990?"),
        ("संख्या की बात", "संख्या"),
    ],
)
def test_the_rest_of_the_words_is_not(one: str, other: str) -> None:
    assert exact(one) == exact(other)
    assert likeness(one).key == likeness(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Convert dollars to euros", "convert euros to dollars?"),
        ("Convert dollars to euros.", "Please convert euros to dollars!"),
        ("Did the dog bite the man?", "Did the man bite the dog?"),
        ("is x > y", "is y > x"),
        ("is option a better than b", "is option b better than a"),
    ],
)
def test_the_same_words_in_another_order_ask_something_else(one: str, other: str) -> None:
    assert reordered(one, other)
    assert reordered(other, one)


@settings(max_examples=100)
@given(WORDS, st.data())
def test_words_added_anywhere_keep_the_order(words: list[str], data: st.DataObject) -> None:
    more = list(words)
    for word in data.draw(WORDS):
        more.insert(data.draw(st.integers(0, len(more))), word)
    assert not reordered(" ".join(words), f"{' '.join(more).upper()}?")


def test_other_words_are_no_other_order() -> None:
    assert not reordered("What is the height of Mount Everest?", "How high is Mount Everest?")
    assert not reordered("Mount Everest", "the height of Everest")
