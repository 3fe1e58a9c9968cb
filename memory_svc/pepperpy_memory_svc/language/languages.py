"""The fifteen languages with an analyser of their own, and what each one needs."""

from typing import Final, Literal, TypeAlias, get_args

import msgspec

from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.language import Lang

Cut: TypeAlias = Literal["words", "zh", "ja", "ko", "vi"]
"""What finds the words: white space and punctuation, or a library that knows the language."""


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """What a language needs.

    Attributes:
        code: Its ISO 639-1 code.
        name: Its name in English, in lower case, as the libraries call it.
        cut: What finds its words.
        stemmer: Whose Snowball stemmer it has: NLTK's, snowballstemmer's, or none.
        lemmas: Whether simplemma has a dictionary of it.
        strip: Whether its accents can be left out without making another word of it.
    """

    code: Lang
    name: str
    cut: Cut = "words"
    stemmer: Literal["nltk", "snowball", ""] = ""
    lemmas: bool = False
    strip: bool = False


LANGUAGES: Final[dict[str, Language]] = {
    one.code: one
    for one in (
        Language(code="en", name="english", stemmer="nltk", lemmas=True, strip=True),
        Language(code="es", name="spanish", stemmer="nltk", lemmas=True, strip=True),
        Language(code="fr", name="french", stemmer="nltk", lemmas=True, strip=True),
        Language(code="de", name="german", stemmer="nltk", lemmas=True, strip=True),
        Language(code="it", name="italian", stemmer="nltk", lemmas=True, strip=True),
        Language(code="pt", name="portuguese", stemmer="nltk", lemmas=True, strip=True),
        Language(code="nl", name="dutch", stemmer="nltk", lemmas=True, strip=True),
        Language(code="ru", name="russian", stemmer="nltk", lemmas=True),
        Language(code="ja", name="japanese", cut="ja"),
        Language(code="zh", name="chinese", cut="zh"),
        Language(code="ko", name="korean", cut="ko"),
        Language(code="ar", name="arabic", stemmer="nltk", lemmas=True),
        Language(code="hi", name="hindi", stemmer="snowball", lemmas=True),
        Language(code="tr", name="turkish", stemmer="snowball", lemmas=True),
        Language(code="vi", name="vietnamese", cut="vi"),
    )
}
"""By code."""

assert set(LANGUAGES) == set(get_args(Lang)), "the wire and the analysers know the same languages"

PLAIN: Final = Language(code="en", name="")
"""Stands in for every other language: words as they are, no stop words, no stems."""


def check_lang(code: str, *, field: str) -> str:
    """Returns the code of a language with an analyser.

    Args:
        code: The code.
        field: What the caller calls it.

    Raises:
        BadPayload: There is no analyser for it; ``context.path`` names the field.
    """
    if code in LANGUAGES:
        return code
    known = ", ".join(LANGUAGES)
    raise BadPayload(
        f"$.{field}: {code[:40]!r} is no language with an analyser",
        hint=f"use one of {known}",
        context={"path": f"$.{field}", "value": code[:40]},
    )
