"""The scripts that a text is written in, and what they tell of its language.

Kana is Japanese, Hangul Korean and Han alone Chinese, whatever a statistic of letters says. Others
stand for several languages: a text in Cyrillic may be Ukrainian, so they decide only what nothing
else can, a text of few words.
"""

import functools
from collections import Counter
from typing import Final

import regex

UNSEGMENTED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ーｰﾞﾟ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""The scripts that are written without spaces between words, as parts of a set of characters."""

CERTAIN: Final = frozenset({("ko",), ("ja",), ("zh", "ja")})
"""The scripts that tell the language, as `by_script` returns their languages."""

_SCRIPTS: Final[dict[str, tuple[str, ...]]] = {
    "Latin": ("en", "es", "fr", "de", "it", "pt", "nl", "tr", "vi"),
    "Cyrillic": ("ru",),
    "Arabic": ("ar",),
    "Devanagari": ("hi",),
    "Hangul": ("ko",),
    "Kana": ("ja",),
    "Han": ("zh", "ja"),
}
"""The languages of each script, the one that it stands for first."""

_LETTER: Final = regex.compile(
    r"(?<Latin>\p{Latin})|(?<Cyrillic>\p{Cyrillic})|(?<Arabic>\p{Arabic})"
    r"|(?<Devanagari>\p{Devanagari})|(?<Hangul>\p{Hangul})|(?<Kana>[\p{Hiragana}\p{Katakana}])"
    r"|(?<Han>\p{Han})|(?<Other>\p{L})"
)


@functools.lru_cache(4096)
def _script(character: str) -> str:
    found = _LETTER.match(character)
    return str(found.lastgroup) if found else ""


def by_script(text: str) -> tuple[tuple[str, ...], float]:
    """Returns the languages of a text's main script, and that script's share of the letters.

    A text with kana in it is Japanese as a whole: its Han letters are read that way. No languages
    mean that there are no letters, or those of a script that is not known here.
    """
    counts: Counter[str] = Counter()
    # A text has few different characters.
    for character, times in Counter(text).items():
        counts[_script(character)] += times
    del counts[""]
    total = counts.total()
    if not total:
        return (), 0.0
    if counts["Kana"]:
        counts["Kana"] += counts.pop("Han", 0)
    script, count = counts.most_common(1)[0]
    return _SCRIPTS.get(script, ()), count / total
