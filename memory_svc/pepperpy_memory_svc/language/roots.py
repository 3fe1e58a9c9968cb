"""What of a word is compared: its stem, or its lemma.

| step | engine |
| --- | --- |
| stems of en es fr de it pt nl ru ar | NLTK's SnowballStemmer |
| stems of hi tr | snowballstemmer |
| lemmas of en | NLTK's WordNetLemmatizer where WordNet's data is found, else simplemma |
| lemmas of es fr de it pt nl ru ar hi tr | simplemma |
| ja, ko | what finds their words gives their roots, as stem and as lemma |
| zh, vi | none: their words are not inflected |

Each is loaded with the first word of its language. NLTK's stemmers keep notes in themselves while
they work, so one thread at a time may use one; most words are answered from the analyser's memory.
"""

import functools
from collections.abc import Callable
from importlib.metadata import version
from threading import Lock
from typing import Any, Final, NamedTuple

from pepperpy_memory_svc.language.folding import fold
from pepperpy_memory_svc.language.languages import Language
from pepperpy_memory_svc.language.wordnet import find_wordnet, lemmatizer

_loading: Final = Lock()


class Roots(NamedTuple):
    """Gives the roots of one language's words.

    Attributes:
        engine: Its name and version; empty for none.
        root: Gives the root of a word; the word itself where there is none.
    """

    engine: str
    root: Callable[[str], str]


NONE: Final = Roots("", lambda word: word)
"""Leaves words as they are."""


def roots(language: Language, kind: str) -> Roots:
    """Returns what gives the roots of a language's words.

    Args:
        language: The language.
        kind: ``stem``, ``lemma`` or ``none``.
    """
    with _loading:
        return _roots(language, kind)


@functools.cache
def _roots(language: Language, kind: str) -> Roots:
    if not language.name or kind == "none":
        return NONE
    if kind == "stem":
        return _stems(language)
    return _lemmas(language)


def _stems(language: Language) -> Roots:
    match language.stemmer:
        case "nltk":
            from nltk.stem.snowball import SnowballStemmer  # type: ignore[import-untyped]  # has no types

            return _guarded(f"nltk {version('nltk')}", SnowballStemmer(language.name).stem)
        case "snowball":
            import snowballstemmer  # type: ignore[import-untyped]  # has no types

            stemmer: Any = snowballstemmer.stemmer(language.name)
            return _guarded(f"snowballstemmer {version('snowballstemmer')}", stemmer.stemWord)
        case _:
            return NONE


def _lemmas(language: Language) -> Roots:
    folder = find_wordnet() if language.code == "en" else None
    if folder is not None:
        of = lemmatizer(folder)
        return _guarded(f"wordnet nltk {version('nltk')}", lambda word: of(fold(word, language)))
    if not language.lemmas:
        return NONE
    import simplemma

    lemmatize: Callable[..., str] = simplemma.lemmatize
    # Dictionaries as tries take a fifth of the memory; they are slower, and the analyser remembers.
    return _guarded(
        f"simplemma {version('simplemma')}",
        lambda word: lemmatize(word, lang=language.code, low_memory=True),
    )


def _guarded(engine: str, root: Callable[[str], object]) -> Roots:
    lock = Lock()

    def of(word: str) -> str:
        with lock:
            try:
                return str(root(word)) or word
            except (IndexError, ValueError, KeyError):
                # A made-up word may have none of the parts that a rule expects.
                return word

    return Roots(engine, of)
