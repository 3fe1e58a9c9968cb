import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_memory_svc.language.pipeline import analyse
from pepperpy_memory_svc.language.snippets import WIDTH, Snippet, snippet
from pepperpy_schemas.language import Pipeline
from tests.memory_svc.language.sentences import SENTENCES

STEMS = Pipeline()


def of(
    text: str,
    question: str,
    lang: str = "en",
    *,
    width: int = WIDTH,
    pipeline: Pipeline = STEMS,
) -> Snippet:
    tokens = analyse(text, lang=lang, pipeline=pipeline).tokens
    asked = {token.lexeme for token in analyse(question, lang=lang, pipeline=pipeline).tokens}
    return snippet(text, tokens, asked, width=width)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("bigrams", [False, True])
def test_found_words_stand_between_marks_in_every_language(lang: str, bigrams: bool) -> None:
    pair = SENTENCES[lang]
    pipeline = Pipeline(bigrams=bigrams)
    text = "… 12 — 34 … " * 40 + pair.text + " … 56 …" * 40
    found = of(text, pair.question, lang, width=120, pipeline=pipeline)
    assert found.end - found.start <= 120
    shown = found.of(text)
    assert shown.replace("**", "") == text[found.start : found.end]
    assert shown.count("**") == 2 * len(found.found) > 0
    asked = {t.lexeme for t in analyse(pair.question, lang=lang, pipeline=pipeline).tokens}
    hits = [t for t in analyse(text, lang=lang, pipeline=pipeline).tokens if t.lexeme in asked]
    inside = [hit for hit in hits if found.start <= hit.start and hit.end <= found.end]
    assert inside
    assert all(any(a <= hit.start and hit.end <= b for a, b in found.found) for hit in inside)


def test_the_window_with_the_most_different_words_wins() -> None:
    text = "cat cat cat. " + "dull " * 60 + "The cat met a dog. " + "dull " * 60 + "dog dog"
    found = of(text, "cats and dogs", width=60)
    assert "**cat** met a **dog**" in found.of(text)


def test_the_first_of_equal_windows_wins() -> None:
    text = "a cat sat. " + "dull " * 60 + "a cat sat."
    assert of(text, "cat", width=40).start == 0


def test_without_a_hit_it_is_the_beginning() -> None:
    text = "Nothing of that kind is in here, " * 20
    found = of(text, "zebra", width=40)
    assert (found.start, found.found) == (0, ())
    assert found.of(text) == "Nothing of that kind is in here, Nothing"
    assert of("", "zebra") == Snippet(0, 0)


def test_words_at_the_ends_are_whole() -> None:
    text = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda"
    shown = of(text, "zeta", width=26).of(text)
    assert all(word.strip("*") in text.split() for word in shown.split())


def test_a_short_text_is_shown_as_a_whole() -> None:
    assert of("  The cats sat.  ", "cat").of("  The cats sat.  ") == "The **cats** sat."


def test_one_long_word_is_cut_at_the_width() -> None:
    text = "x" * 5000
    found = of(text, text, width=50)
    assert (found.start, found.end, found.found) == (0, 50, ((0, 50),))


@settings(max_examples=80, deadline=None)
@given(
    text=st.text(st.sampled_from("ab 猫\u0301कि\u200d.\n"), max_size=120),
    question=st.text(st.sampled_from("ab 猫कि"), min_size=1, max_size=8),
    width=st.integers(1, 40),
)
def test_a_snippet_is_a_part_of_its_text(text: str, question: str, width: int) -> None:
    found = of(text, question, width=width, pipeline=Pipeline(stop=False))
    assert 0 <= found.start <= found.end <= len(text)
    assert found.end - found.start <= width
    assert found.of(text, mark="") == text[found.start : found.end]
    edges = [edge for span in found.found for edge in span]
    assert edges == sorted(edges)
    assert all(found.start <= edge <= found.end for edge in edges)
