"""What the language service is asked: which language a text is in, and what its words are.

Languages are ISO 639-1 codes. Offsets count Unicode code points from 0, as Python does; the end is
behind the last one, so a token's text is ``text[start:end]``.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from pepperpy_schemas.messages import Count

Lang: TypeAlias = Literal[
    "en", "es", "fr", "de", "it", "pt", "nl", "ru", "ja", "zh", "ko", "ar", "hi", "tr", "vi"
]
"""The languages that have an analyser of their own."""
MAX_TEXT: Final = 100_000
"""Most characters of a text that is sent to the service."""
MAX_TEXTS: Final = 256
"""Most texts or words of one request."""

Sent = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Word = Annotated[str, msgspec.Meta(max_length=1000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Pipeline(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a namespace's texts become lexemes; one that changes needs the namespace indexed anew.

    Attributes:
        fold: Whether ``Café`` and ``cafe`` are one word; otherwise only their form is unified.
        stop: Whether words without a meaning of their own are left out: articles, particles.
        root: What of a word is compared: its ``stem`` (by rules), its ``lemma`` (out of a
            dictionary), or the whole word (``none``).
        bigrams: Whether zh, ja, ko and vi are cut into pairs of characters or syllables even where
            a library knows their words: finds more, and less exactly.
    """

    fold: bool = True
    stop: bool = True
    root: Literal["stem", "lemma", "none"] = "stem"
    bigrams: bool = False


class Detection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which language a text is in.

    Attributes:
        lang: The language, which may be one without an analyser; empty when there is none, as in
            numbers and addresses.
        confidence: How sure that is; 0 where only the main language was there to choose.
        engine: What said so.
    """

    lang: str = ""
    confidence: Share = 0.0
    engine: str = ""


class Token(msgspec.Struct, frozen=True, gc=False):
    """A word of a text.

    Attributes:
        text: As it stands there.
        start: Where it begins.
        end: Where it ends.
        lexeme: What of it is compared.
    """

    text: str
    start: Count
    end: Count
    lexeme: str


class Engines(msgspec.Struct, frozen=True, omit_defaults=True):
    """What answered each step; empty where the step was not taken.

    Attributes:
        detect: Found out the language; ``caller`` when it was given.
        tokenise: Found the words.
        stop: Knew the words without a meaning of their own.
        root: Made stems or lemmas.
    """

    detect: str = ""
    tokenise: str = ""
    stop: str = ""
    root: str = ""


class Analysis(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The words of a text.

    Attributes:
        lang: The language, whose analyser was used where it has one; empty when the text has none
            and the analyser of the main language was used.
        confidence: How sure that is; 1 when the caller said it.
        tokens: The words, in their order; of a cut into pairs they overlap.
        engines: What answered each step.
        version: The analyser that made the lexemes: equal versions make equal lexemes.
    """

    lang: str
    confidence: Share = 0.0
    tokens: list[Token] = []
    engines: Engines = Engines()
    version: str = ""


class DetectRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Texts whose languages are asked for.

    Attributes:
        texts: The texts; of a long one the beginning is looked at.
        main: The language of texts that are too short to tell.
    """

    texts: Annotated[list[Sent], msgspec.Meta(min_length=1, max_length=MAX_TEXTS)]
    main: Lang = "en"


class DetectReply(msgspec.Struct, frozen=True):
    """The languages of the texts, in their order.

    Attributes:
        languages: One a text.
    """

    languages: list[Detection]


class AnalyseRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text whose words are asked for.

    Attributes:
        text: The text.
        lang: Its language; found out by default.
        main: The language of a text that is too short to tell.
        pipeline: What is done to the words.
    """

    text: Sent
    lang: Lang | Literal[""] = ""
    main: Lang = "en"
    pipeline: Pipeline = Pipeline()


class TokeniseRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text whose words are asked for as they are: all of them, with the form that they share.

    Attributes:
        text: The text.
        lang: Its language; found out by default.
        main: The language of a text that is too short to tell.
        bigrams: Whether zh, ja, ko and vi are cut into pairs of characters or syllables.
    """

    text: Sent
    lang: Lang | Literal[""] = ""
    main: Lang = "en"
    bigrams: bool = False


class WordsRequest(msgspec.Struct, frozen=True):
    """Words whose stems or lemmas are asked for.

    Attributes:
        words: The words.
        lang: Their language.
    """

    words: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=MAX_TEXTS)]
    lang: Lang


class WordsReply(msgspec.Struct, frozen=True):
    """Stems or lemmas, one a word, in their order.

    Attributes:
        words: The stems or lemmas.
        engine: What made them.
    """

    words: list[str]
    engine: str
