"""Whatever turns texts into words that are compared."""

import re
from collections.abc import Collection
from typing import Final, Protocol

from pepperpy_bus.config.values import DetectorName
from pepperpy_schemas.language import Analysis, Detection, Engines, Pipeline, Token


class Analyser(Protocol):
    """Turns texts into words."""

    def version(self, pipeline: Pipeline) -> str:
        """Returns what lexemes depend on: equal versions make equal ones."""

    def language(self, text: str, *, main: str) -> Detection:
        """Returns the language of a text; it takes milliseconds, and may be called in a thread.

        Args:
            text: The text.
            main: The language of a text that is too short to tell.
        """

    def analyse(self, text: str, *, lang: str, main: str, pipeline: Pipeline) -> Analysis:
        """Returns the words of a text; it takes milliseconds, and may be called in a thread.

        Args:
            text: The text.
            lang: Its language; empty to find it out.
            main: The language of a text that is too short to tell.
            pipeline: What is done to the words.
        """

    def find(
        self, text: str, lexemes: Collection[str], *, lang: str, main: str, pipeline: Pipeline
    ) -> list[Token]:
        """Returns those words of a text that have one of these lexemes; blocks as `analyse` does.

        Args:
            text: The text.
            lexemes: The lexemes.
            lang: Its language, as it was told when it was put; empty when it has none.
            main: The language of a text that has none.
            pipeline: What is done to the words.
        """


class LanguageAnalyser:
    """Takes words as their language has them: by their roots, without the empty ones.

    Args:
        detector: What is asked for the language.
    """

    def __init__(self, detector: DetectorName = "langdetect") -> None:
        self._detector = detector

    def version(self, pipeline: Pipeline) -> str:
        """See `Analyser.version`."""
        from pepperpy_memory_svc.language.pipeline import version_of

        return version_of(pipeline)

    def language(self, text: str, *, main: str) -> Detection:
        """See `Analyser.language`."""
        from pepperpy_memory_svc.language.detection import detect
        from pepperpy_memory_svc.language.detectors import load_detector

        return detect(text, main=main, detector=load_detector(self._detector))

    def analyse(self, text: str, *, lang: str, main: str, pipeline: Pipeline) -> Analysis:
        """See `Analyser.analyse`."""
        from pepperpy_memory_svc.language.analyser import analyser
        from pepperpy_memory_svc.language.detectors import load_detector
        from pepperpy_memory_svc.language.languages import LANGUAGES
        from pepperpy_memory_svc.language.pipeline import analyse

        if lang and lang not in LANGUAGES:
            plain = analyser("", pipeline)
            return Analysis(lang=lang, confidence=1.0, tokens=plain.tokens(text))
        detector = load_detector(self._detector)
        return analyse(text, lang=lang, main=main, pipeline=pipeline, detector=detector)

    def find(
        self, text: str, lexemes: Collection[str], *, lang: str, main: str, pipeline: Pipeline
    ) -> list[Token]:
        """See `Analyser.find`."""
        from pepperpy_memory_svc.language.analyser import analyser

        return analyser(lang or main, pipeline).find(text, lexemes)


_WORD: Final = re.compile(r"\w+")


class PlainAnalyser:
    """Takes words as they stand, in lower case; knows no language, and needs no package."""

    def version(self, pipeline: Pipeline) -> str:  # noqa: ARG002 - as the others
        """See `Analyser.version`."""
        return "plain-1"

    def language(self, text: str, *, main: str) -> Detection:  # noqa: ARG002 - as the others
        """See `Analyser.language`."""
        return Detection(main)

    def analyse(self, text: str, *, lang: str, main: str, pipeline: Pipeline) -> Analysis:  # noqa: ARG002 - as the others
        """See `Analyser.analyse`."""
        found = _WORD.finditer(text)
        tokens = [Token(one[0], one.start(), one.end(), one[0].casefold()) for one in found]
        return Analysis(
            lang=lang or main,
            confidence=1.0 if lang else 0.0,
            tokens=tokens,
            engines=Engines(tokenise="plain"),
        )

    def find(
        self, text: str, lexemes: Collection[str], *, lang: str, main: str, pipeline: Pipeline
    ) -> list[Token]:
        """See `Analyser.find`."""
        words = self.analyse(text, lang=lang, main=main, pipeline=pipeline).tokens
        return [token for token in words if token.lexeme in lexemes]
