"""Languages and words, as everybody asks for them: through the service ``language``."""

from collections.abc import Sequence
from typing import Literal

from pepperpy_bus.facades import Facade, waits
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.services.asking import Asking
from pepperpy_bus.streams.blobs import THRESHOLD
from pepperpy_bus.units import Duration
from pepperpy_schemas.catalog.language import (
    LANGUAGE_ANALYSE,
    LANGUAGE_DETECT,
    LANGUAGE_LEMMATISE,
    LANGUAGE_STEM,
    LANGUAGE_TOKENISE,
)
from pepperpy_schemas.codec import convert
from pepperpy_schemas.language import (
    AnalyseRequest,
    Analysis,
    Detection,
    DetectReply,
    DetectRequest,
    TokeniseRequest,
    WordsReply,
    WordsRequest,
)


class Language:
    """Asks for languages and words under one principal's name.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        principal: The caller's own name; permissions refuse any other.
        threshold: Bytes above which a request travels by reference.
    """

    def __init__(
        self, connection: Connection, prefix: str, principal: str, *, threshold: int = THRESHOLD
    ) -> None:
        self._service = Asking(
            connection,
            prefix,
            principal,
            absent="nobody serves languages here",
            hint="start the memory service: it offers them as well",
            threshold=threshold,
        )

    async def detect(
        self, texts: str | Sequence[str], *, main: str = "en", timeout: Duration = "30s"
    ) -> list[Detection]:
        """Finds out which languages texts are in.

        Args:
            texts: One text, or at most 256.
            main: The language of texts that are too short to tell.
            timeout: How long it may take.

        Raises:
            BadPayload: A value is not allowed; ``context.path`` names the field.
            Unavailable: Nobody serves languages, or there was no answer in time.
        """
        said = {"texts": [texts] if isinstance(texts, str) else list(texts), "main": main}
        request = convert(said, DetectRequest)
        reply = await self._service.ask(LANGUAGE_DETECT, request, DetectReply, timeout)
        return reply.languages

    async def tokenise(
        self,
        text: str,
        *,
        lang: str = "",
        main: str = "en",
        bigrams: bool = False,
        timeout: Duration = "30s",
    ) -> Analysis:
        """Finds all the words of a text.

        Args:
            text: The text.
            lang: Its language; found out by default.
            main: The language of a text that is too short to tell.
            bigrams: Whether zh, ja, ko and vi are cut into pairs of characters or syllables.
            timeout: How long it may take.
        """
        said = {"text": text, "lang": lang, "main": main, "bigrams": bigrams}
        request = convert(said, TokeniseRequest)
        return await self._service.ask(LANGUAGE_TOKENISE, request, Analysis, timeout)

    async def stem(
        self, words: str | Sequence[str], *, lang: str, timeout: Duration = "30s"
    ) -> WordsReply:
        """Cuts words down to their stems.

        Args:
            words: One word, or at most 256.
            lang: Their language.
            timeout: How long it may take.
        """
        return await self._service.ask(LANGUAGE_STEM, _words(words, lang), WordsReply, timeout)

    async def lemmatise(
        self, words: str | Sequence[str], *, lang: str, timeout: Duration = "30s"
    ) -> WordsReply:
        """Finds what words look like in a dictionary.

        Args:
            words: One word, or at most 256.
            lang: Their language.
            timeout: How long it may take.
        """
        return await self._service.ask(LANGUAGE_LEMMATISE, _words(words, lang), WordsReply, timeout)

    async def analyse(
        self,
        text: str,
        *,
        lang: str = "",
        main: str = "en",
        fold: bool = True,
        stop: bool = True,
        root: Literal["stem", "lemma", "none"] = "stem",
        bigrams: bool = False,
        timeout: Duration = "30s",
    ) -> Analysis:
        """Finds the lexemes of a text: what of it is compared with others.

        Args:
            text: The text.
            lang: Its language; found out by default.
            main: The language of a text that is too short to tell.
            fold: Whether ``Café`` and ``cafe`` are one word.
            stop: Whether words without a meaning of their own are left out.
            root: What of a word is compared.
            bigrams: Whether zh, ja, ko and vi are cut into pairs of characters or syllables.
            timeout: How long it may take.
        """
        pipeline = {"fold": fold, "stop": stop, "root": root, "bigrams": bigrams}
        said = {"text": text, "lang": lang, "main": main, "pipeline": pipeline}
        request = convert(said, AnalyseRequest)
        return await self._service.ask(LANGUAGE_ANALYSE, request, Analysis, timeout)


class SyncLanguage(Facade[Language]):
    """Asks for languages and words from another thread; see `Language`."""

    detect = waits(Language.detect)
    tokenise = waits(Language.tokenise)
    stem = waits(Language.stem)
    lemmatise = waits(Language.lemmatise)
    analyse = waits(Language.analyse)


def _words(words: str | Sequence[str], lang: str) -> WordsRequest:
    said = {"words": [words] if isinstance(words, str) else list(words), "lang": lang}
    return convert(said, WordsRequest)
