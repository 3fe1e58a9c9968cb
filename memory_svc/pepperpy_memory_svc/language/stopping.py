"""Words without a meaning of their own, folded as texts are.

They come from the package stop-words. Its lists of en, es, ru and vi hold words that people ask
for as well (``computer``, ``explicó``, ``жизнь``, ``cây nước``), so those four have short ones in
`closed_classes`. Korean needs none where its words are found by a library: that tells particles
and endings by their kind.
"""

import functools
from importlib.metadata import version

from pepperpy_memory_svc.language import words
from pepperpy_memory_svc.language.closed_classes import CLOSED_CLASSES
from pepperpy_memory_svc.language.folding import fold
from pepperpy_memory_svc.language.languages import Language


def engine(language: Language) -> str:
    """Returns the name and version of what knows the words of a language; empty for none."""
    if not language.name or language.code == "ko":
        return ""
    if language.code in CLOSED_CLASSES:
        return "closed classes 1"
    return f"stop-words {version('stop-words')}"


@functools.cache
def stop_words(language: Language) -> frozenset[str]:
    """Returns the stop words of a language, as `fold` leaves them.

    Tokenizers cut at apostrophes, so the parts of ``don't`` and ``qu'il`` are among them.
    """
    listed = _listed(language)
    parts = [
        word[start:end]
        for word in listed
        if "'" in word or "’" in word
        for start, end in words.words(word)
    ]
    return frozenset(fold(word, language) for word in [*listed, *parts])


def _listed(language: Language) -> list[str]:
    if not engine(language):
        return []
    if language.code in CLOSED_CLASSES:
        return CLOSED_CLASSES[language.code].split()
    from stop_words import get_stop_words  # type: ignore[import-untyped]  # has no types

    return list(get_stop_words(language.name))
