"""The words of questions and entries, without holding the event loop up."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, TypeAlias, TypeVar

import msgspec

from pepperpy_memory_svc.remembering.analyser import Analyser
from pepperpy_memory_svc.remembering.treatments import Treatment
from pepperpy_schemas.language import Analysis, Detection, Pipeline, Token
from pepperpy_schemas.memory import Entry

KEPT: Final = 1024
"""Questions whose words are kept: a language costs more to find out than to search in."""
SHORT: Final = 1000
"""Characters of a question that is kept, and of a text that is looked through at once."""
AT_ONCE: Final = 0.003
"""Seconds of work for which the event loop is not left: a thread would cost more."""

T = TypeVar("T")

_Asked: TypeAlias = tuple[str, str, Treatment]
_Work: TypeAlias = tuple[str, Pipeline | None]
"""The words of a language; without a pipeline, which language it is."""
_DETECTING: Final[_Work] = ("", None)


class Words:
    """What an analyser says, in a thread wherever it may take long.

    Args:
        analyser: The analyser.
    """

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser
        self._asked: dict[_Asked, Analysis] = {}
        # Engines take seconds to load, and those of some languages are slow: a thread finds out.
        self._quick: set[_Work] = set()

    def of(self, treatment: Treatment, text: str, lang: str) -> Analysis:
        """Returns the words of a text; blocks."""
        main, pipeline = treatment.main, treatment.pipeline
        return self._analyser.analyse(text, lang=lang, main=main, pipeline=pipeline)

    def of_entries(self, treatment: Treatment, entries: Sequence[Entry]) -> list[Analysis]:
        """Returns the words of entries; blocks."""
        return [self.of(treatment, entry.text, entry.lang) for entry in entries]

    async def asked(
        self, treatment: Treatment, text: str, lang: str = "", *, beside: bool = False
    ) -> Analysis:
        """Returns the words of a question.

        Args:
            treatment: How texts become words.
            text: The question.
            lang: Its language; found out by default.
            beside: Whether something is waited for meanwhile, which must not begin later.
        """
        key = text, lang, treatment
        words = self._asked.pop(key, None)
        if words is None:
            if beside:
                words = await asyncio.to_thread(self.of, treatment, text, lang)
            else:
                words = await self._analysed(treatment, text, lang)
        if len(text) <= SHORT:
            self._asked[key] = words
        if len(self._asked) > KEPT:
            del self._asked[next(iter(self._asked))]
        return words

    async def _analysed(self, treatment: Treatment, text: str, lang: str) -> Analysis:
        main, pipeline = treatment.main, treatment.pipeline
        found = Detection(lang, 1.0)
        if not lang:
            detect = partial(self._analyser.language, text, main=main)
            found = await self._done(_DETECTING, text, detect)
        analyse = partial(self.of, treatment, text, found.lang)
        said = await self._done((found.lang or main, pipeline), text, analyse)
        return msgspec.structs.replace(said, lang=found.lang, confidence=found.confidence)

    async def _done(self, kind: _Work, text: str, work: Callable[[], T]) -> T:
        if len(text) <= SHORT and kind in self._quick:
            return self._timed(kind, text, work)
        return await asyncio.to_thread(self._timed, kind, text, work)

    def _timed(self, kind: _Work, text: str, work: Callable[[], T]) -> T:
        began = time.thread_time()
        done = work()
        quick = time.thread_time() - began < AT_ONCE * max(1, len(text) / SHORT)
        (self._quick.add if quick else self._quick.discard)(kind)
        return done

    async def found(
        self, treatment: Treatment, entries: Sequence[Entry], lexemes: Collection[str]
    ) -> list[list[Token]]:
        """Returns of each entry the words that have one of these lexemes."""
        main, pipeline = treatment.main, treatment.pipeline

        def find(entry: Entry) -> list[Token]:
            text, lang = entry.text, entry.lang
            work = partial(
                self._analyser.find, text, lexemes, lang=lang, main=main, pipeline=pipeline
            )
            return self._timed((lang or main, pipeline), text, work)

        found: list[list[Token]] = []
        until = time.thread_time() + AT_ONCE
        for entry in entries:
            quick = len(entry.text) <= SHORT and (entry.lang or main, pipeline) in self._quick
            if not quick or time.thread_time() > until:
                break
            found.append(find(entry))
        rest = entries[len(found) :]
        if rest:
            found += await asyncio.to_thread(lambda: [find(one) for one in rest])
        return found


def lexemes(analysis: Analysis) -> list[str]:
    """Returns what of a text's words is compared, in their order."""
    return [token.lexeme for token in analysis.tokens]
