import functools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import RegexpTokenizer  # type: ignore[import-untyped]  # has no types

from pepperpy_memory_svc.language import words
from pepperpy_memory_svc.language.analyser import MAX_WORD, REMEMBERED, Analyser, analyser
from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_memory_svc.language.pipeline import analyse
from pepperpy_memory_svc.language.words import PATTERN
from pepperpy_schemas.language import Analysis, Pipeline
from tests.memory_svc.language.sentences import SENTENCES

ALL = pytest.mark.parametrize("lang", LANGUAGES)
STEMS = Pipeline()
LEMMAS = Pipeline(root="lemma")
WHOLE = Pipeline(root="none", stop=False)
JOINED = st.text("aé_1 -'\u00ad\u200c\u200d\u2060क्षा中の가", max_size=40)
ANY_TEXT = st.text(st.characters(codec=None), max_size=80)


def lexemes(text: str, lang: str, pipeline: Pipeline = STEMS) -> set[str]:
    return {token.lexeme for token in analyse(text, lang=lang, pipeline=pipeline).tokens}


def exact(text: str, found: Analysis) -> None:
    for token in found.tokens:
        assert text[token.start : token.end] == token.text != ""
        assert token.lexeme
    starts = [token.start for token in found.tokens]
    assert starts == sorted(starts)


@given(JOINED)
def test_words_are_where_nltk_sees_them(text: str) -> None:
    plain = RegexpTokenizer(PATTERN).span_tokenize(text)
    assert list(words._spans(text)) == list(plain)


@given(JOINED | st.text(st.characters(max_codepoint=127)))
def test_words_that_are_only_shown_are_in_the_same_places(text: str) -> None:
    assert list(words.places(text)) == list(words.words(text))


@ALL
def test_what_is_found_are_the_words_with_these_lexemes(lang: str) -> None:
    used, pair = analyser(lang, STEMS), SENTENCES[lang]
    for text in (pair.text, pair.text * 40, pair.question):
        tokens = used.tokens(text)
        assert tokens
        wanted = {tokens[0].lexeme, tokens[-1].lexeme, "none such"}
        assert used.find(text, wanted) == [one for one in tokens if one.lexeme in wanted]
    stops = used.tokens("the of and")
    assert used.find("the of and", {one.lexeme for one in stops}) == stops


def test_all_analysers_together_keep_a_bounded_number_of_words() -> None:
    text = " ".join(f"word{number}" for number in range(REMEMBERED // 2))
    for bigrams in (False, True):
        for fold in (False, True):
            used = analyser("", Pipeline(fold=fold, bigrams=bigrams))
            assert len(used.tokens(text)) == REMEMBERED // 2
    # Whichever keep them: of what an analyser remembers no answer tells.
    everything = vars(sys.modules[Analyser.__module__]).values()
    ours = [one for one in everything if isinstance(one, functools._lru_cache_wrapper)]
    kept = max(one.cache_info().currsize for one in ours)
    assert kept == REMEMBERED
    assert sum(one.cache_info().currsize for one in ours) < 1.2 * REMEMBERED


@ALL
def test_a_question_meets_a_text_by_the_stems_of_other_forms(lang: str) -> None:
    pair = SENTENCES[lang]
    assert pair.stems <= lexemes(pair.text, lang) & lexemes(pair.question, lang)


@ALL
def test_a_question_meets_a_text_by_the_lemmas_of_other_forms(lang: str) -> None:
    pair = SENTENCES[lang]
    found = analyse(pair.text, lang=lang, pipeline=LEMMAS)
    texts = {token.lexeme for token in found.tokens}
    assert pair.lemmas <= texts & lexemes(pair.question, lang, LEMMAS)
    if LANGUAGES[lang].lemmas:
        assert found.engines.root.startswith(
            ("simplemma", "wordnet") if lang == "en" else "simplemma"
        )


@ALL
def test_words_without_a_meaning_of_their_own_go_and_come_back(lang: str) -> None:
    pair = SENTENCES[lang]
    kept = {token.text for token in analyse(pair.text, lang=lang).tokens}
    assert not kept & pair.stopped
    assert pair.kept in kept
    every = {token.text for token in analyse(pair.text, lang=lang, pipeline=WHOLE).tokens}
    # What follows a Turkish apostrophe is an ending, and no word.
    assert pair.stopped <= every or lang == "tr"


@ALL
@pytest.mark.parametrize("pipeline", [Pipeline(), WHOLE, Pipeline(bigrams=True, fold=False)])
def test_offsets_are_exact(lang: str, pipeline: Pipeline) -> None:
    # A letter of two UTF-16 units, one of combined marks, and a wide space come before.
    text = f"😀 e\u0301 \u3000{SENTENCES[lang].text} 42\u200b{SENTENCES[lang].question}"
    found = analyse(text, lang=lang, pipeline=pipeline)
    exact(text, found)
    assert len(found.tokens) > 8


@ALL
def test_every_step_names_what_took_it(lang: str) -> None:
    engines = analyse(SENTENCES[lang].text, lang=lang).engines
    assert engines.detect == "caller"
    tokenises = {"zh": "rjieba", "ja": "sudachipy", "ko": "mecab-ko", "vi": "underthesea"}
    assert engines.tokenise.startswith(tokenises.get(lang, "nltk "))
    roots = {"hi": "snowballstemmer", "tr": "snowballstemmer", "ja": "sudachipy", "ko": "mecab-ko"}
    roots |= {"zh": "", "vi": ""}
    assert engines.root.split(" ")[0] == roots.get(lang, "nltk")
    assert engines.stop
    without = analyse("42", lang=lang, pipeline=WHOLE).engines
    assert (without.stop, without.root) == ("", "")


@ALL
@settings(max_examples=25, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_at_all_has_words_within_it(lang: str, text: str) -> None:
    for pipeline in (Pipeline(), Pipeline(bigrams=True, stop=False, root="none")):
        exact(text, analyse(text, lang=lang, pipeline=pipeline))


@settings(max_examples=25, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_at_all_has_lemmas(text: str) -> None:
    for lang in ("hi", "ar"):
        exact(text, analyse(text, lang=lang, pipeline=LEMMAS))


@ALL
def test_a_text_of_stop_words_alone_keeps_them(lang: str) -> None:
    stopped = [word for word in sorted(SENTENCES[lang].stopped) if word != "un"]
    text = " ".join(stopped)
    assert bool(analyse(text, lang=lang).tokens) is bool(text)


@pytest.mark.parametrize(
    ("lang", "one", "other"),
    [
        ("en", "Café ﬁle ＡＢＣ", "cafe file abc"),
        ("en", "co\u00adopera\u200dtion", "cooperation"),
        ("de", "Straße Übung", "STRASSE übung"),
        ("fr", "ÉLÈVE", "eleve"),
        ("ru", "Ёлка", "елка"),
        ("ar", "كِتَابٌ إسلام", "كتاب اسلام"),
        ("ar", "مكتـــبة ٢٠٢٦", "مكتبة 2026"),
        ("hi", "ज़मीन २०२६", "जमीन 2026"),
        ("tr", "IŞIK İzmir", "ışık izmir"),
        ("vi", "HOÀ", "hòa"),
        ("ko", "한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("ja", "ﾃﾚﾋﾞ", "テレビ"),
    ],
)
def test_two_ways_to_write_a_word_are_one(lang: str, one: str, other: str) -> None:
    assert lexemes(one, lang, WHOLE) == lexemes(other, lang, WHOLE)


@pytest.mark.parametrize(
    ("lang", "one", "other"),
    [("es", "año", "ano"), ("tr", "ısı", "isi"), ("vi", "má", "ma"), ("ru", "край", "краи")],
)
def test_two_words_that_look_alike_stay_two(lang: str, one: str, other: str) -> None:
    assert lexemes(one, lang, WHOLE) != lexemes(other, lang, WHOLE)


def test_unfolded_words_keep_their_case_and_accents() -> None:
    pipeline = Pipeline(fold=False, root="none", stop=False)
    assert lexemes("Café ＡＢＣ", "fr", pipeline) == {"Café", "ABC"}


def test_vowel_signs_do_not_end_a_word() -> None:
    (only,) = analyse("हिन्दी", lang="hi").tokens
    assert only.text == "हिन्दी"


@pytest.mark.parametrize("lang", ["en", "ru", "hi"])
def test_scripts_without_spaces_become_pairs_inside_other_languages(lang: str) -> None:
    found = analyse("x東京都y สวัส", lang=lang, pipeline=WHOLE)
    assert [token.text for token in found.tokens][:4] == ["x", "東京", "京都", "y"]
    assert len(found.tokens) > 5


@ALL
def test_a_word_of_a_million_letters_takes_its_beginning(lang: str) -> None:
    (only,) = analyse("x" * 1_000_000, lang="en").tokens
    assert (len(only.text), len(only.lexeme)) == (1_000_000, MAX_WORD)
    letter = SENTENCES[lang].kept[0]
    found = analyse(letter * 10_000, lang=lang)
    assert max(len(token.lexeme) for token in found.tokens) <= MAX_WORD


def test_roots_of_words_that_stand_alone() -> None:
    def roots(kind: str, lang: str, *words: str) -> list[str]:
        return analyser(lang, Pipeline(root=kind, stop=False)).roots(words)  # type: ignore[arg-type]  # one of the three

    assert roots("stem", "en", "running", "the", "") == ["run", "the", ""]
    assert roots("lemma", "de", "Häuser", "lief") == ["haus", "laufen"]
    assert roots("lemma", "ja", "走った", "。") == ["走る", "。"]
    assert roots("stem", "ko", "갔다", "에서", "학교에") == ["가", "에서", "학교"]
    assert roots("stem", "zh", "研究") == ["研究"]


def test_lemmas_of_english_are_wordnets_where_it_is() -> None:
    from pepperpy_memory_svc.language.wordnet import find_wordnet
    from tests.requirements import missing

    if find_wordnet() is None:
        missing("WordNet is not here: scripts/install-system-packages")
    found = analyse("the leaves of mice were better studied", lang="en", pipeline=LEMMAS)
    assert [token.lexeme for token in found.tokens] == ["leaf", "mouse", "good", "study"]
    assert found.engines.root.startswith("wordnet nltk")
