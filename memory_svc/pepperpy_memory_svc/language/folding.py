"""Which writings of a word are one: normal forms, case, accents, and what a language adds.

`unify` undoes what nobody sees: compatibility forms (NFKC), soft hyphens, joiners. `fold` undoes
case and what the language's readers take for the same: the hamza of an alif, a nukta, ё. Accents go
last, in `strip`, from the stem: stemmers read them.
"""

import re
import unicodedata
from typing import Final

from pepperpy_memory_svc.language.languages import Language

_UNSEEN: Final = {
    **dict.fromkeys((0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF)),
    **dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]),
    **dict.fromkeys(range(0xFE00, 0xFE10)),
}
"""Soft hyphen, joiners, marks of direction, variation selectors, the byte order mark."""

_ARABIC: Final[dict[int, str | None]] = {
    **dict.fromkeys([0x0640, 0x0670, *range(0x064B, 0x0660)]),  # tatweel and vowels
    **dict.fromkeys((0x0622, 0x0623, 0x0625, 0x0671), "ا"),
    0x0649: "ي",
    0x06CC: "ي",
    0x06A9: "ك",
    **{0x0660 + digit: str(digit) for digit in range(10)},
    **{0x06F0 + digit: str(digit) for digit in range(10)},
}
_HINDI: Final[dict[int, str | None]] = {
    0x093C: None,  # nukta: ज़ and ज
    0x0901: "ं",  # candrabindu and anusvara
    **{0x0966 + digit: str(digit) for digit in range(10)},
}
_RUSSIAN: Final[dict[int, str | None]] = {0x0451: "е", 0x0401: "е"}
_TURKISH: Final = {0x0049: "ı", 0x0130: "i"}
"""The capitals of ı and i, which Unicode's own folding takes for English ones."""

_TONES: Final = str.maketrans("àáảãạèéẻẽẹỳýỷỹỵ", "aaaaaeeeeeyyyyy")
_MOVED: Final = {
    f"{first}{late}": f"{early}{late.translate(_TONES)}"
    for first, earlies, lates in (
        ("o", "òóỏõọ", "àáảãạ"),
        ("o", "òóỏõọ", "èéẻẽẹ"),
        ("u", "ùúủũụ", "ỳýỷỹỵ"),
    )
    for early, late in zip(earlies, lates, strict=True)
}
"""Two ways to place a tone in an open syllable: hoà and hòa. After a q the u is no vowel: quý."""
_LATE_TONE: Final = re.compile(rf"(?<!q)(?:{'|'.join(_MOVED)})(?![^\W\d_])")

_ROUNDS: Final = 6


def unify(word: str) -> str:
    """Returns the word without what nobody sees, in its compatibility form."""
    for _ in range(_ROUNDS):
        before, word = word, unicodedata.normalize("NFKC", word).translate(_UNSEEN)
        if word == before:
            break
    return word


def fold(word: str, language: Language) -> str:
    """Returns what all writings of a word share; folding it again changes nothing."""
    for _ in range(_ROUNDS):
        before, word = word, _fold_once(word, language.code if language.name else "")
        if word == before:
            break
    return word


def strip(word: str, language: Language) -> str:
    """Returns the word without accents where the language can do without them."""
    if not language.strip or word.isascii():
        return word
    apart = unicodedata.normalize("NFD", word)
    kept = "\u0303" if language.code == "es" else ""  # año is no ano
    bare = "".join(one for one in apart if one == kept or not "\u0300" <= one <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def _fold_once(word: str, code: str) -> str:
    word = unify(word)
    if code == "tr":
        # i with a dot above is what casefold makes of İ.
        word = unicodedata.normalize("NFC", word).translate(_TURKISH)
    word = unify(word.casefold())
    table = _TABLES.get(code)
    if table is not None:
        word = unify(word.translate(table))
    if code == "vi":
        word = _LATE_TONE.sub(lambda found: _MOVED[found[0]], word)
    return word


_TABLES: Final[dict[str, dict[int, str | None]]] = {
    "ar": _ARABIC,
    "hi": _HINDI,
    "ru": _RUSSIAN,
}
