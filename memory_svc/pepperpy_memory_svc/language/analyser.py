"""One language's analyser under one pipeline: from a text to its lexemes."""

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Lock
from typing import Final

from pepperpy_memory_svc.language import stopping, words
from pepperpy_memory_svc.language.folding import fold, strip, unify
from pepperpy_memory_svc.language.languages import LANGUAGES, PLAIN, Language
from pepperpy_memory_svc.language.roots import roots
from pepperpy_memory_svc.language.segmenter import Segmenter
from pepperpy_memory_svc.language.segmenters import segmenter
from pepperpy_schemas.language import Engines, Pipeline, Token

MAX_WORD: Final = 100
"""Characters of a word that count; what is longer is data, and its beginning tells it."""
REMEMBERED: Final = 65_536
"""Words whose lexemes are kept, of all analysers together."""

READ: Final = 1024
"""Passages whose words are kept, of all analysers together: what was found is found again."""
PASSAGE: Final = 1000
"""Characters of a passage."""

_Word = tuple[int, int, str, bool]
"""Where a word begins and ends, its lexeme, and whether it is a stop word."""
_Spans = Callable[[str], Iterable[words.Span]]
"""Finds where words are."""
_making: Final = Lock()


class Analyser:
    """Turns texts of one language into lexemes; safe to call from many threads, each call blocks.

    Args:
        language: The language.
        pipeline: What is done to its words.
    """

    def __init__(self, language: Language, pipeline: Pipeline) -> None:
        self._language = language
        self._pipeline = pipeline
        self._segmenter: Segmenter | None = None
        if language.cut != "words":
            self._segmenter = segmenter(language.cut, bigrams=pipeline.bigrams)
        self._roots = roots(language, pipeline.root)
        self._stop = stopping.stop_words(language) if pipeline.stop else frozenset()
        self.engines = Engines(
            tokenise=self._segmenter.engine if self._segmenter else words.engine(),
            stop=self._stop_engine(),
            root=self._root_engine(),
        )

    def tokens(self, text: str) -> list[Token]:
        """Returns the words of a text; when all of them are stop words, these."""
        return [
            Token(text[start:end], start, end, lexeme)
            for start, end, lexeme, _ in _meant(self._words(text, words.words))
        ]

    def find(self, text: str, lexemes: Collection[str]) -> list[Token]:
        """Returns those of a text's `tokens` that have one of these lexemes."""
        read = _read if len(text) <= PASSAGE else _read.__wrapped__
        found = read(self, text)
        hits = [one for one in found if one[2] in lexemes]
        # Without stop words, unless the text has no other words.
        meant = [one for one in hits if not one[3]]
        if not meant and hits and all(one[3] for one in found):
            meant = hits
        return [Token(text[start:end], start, end, lexeme) for start, end, lexeme, _ in meant]

    def _words(self, text: str, spans: _Spans) -> tuple[_Word, ...]:
        """The words that have a lexeme."""
        found: list[_Word] = []
        if self._segmenter is not None:
            stops = self._pipeline.stop
            for start, end, root, function in self._segmenter.cut(text):
                lexeme, stop = _seen(self, text[start : min(end, start + MAX_WORD)], root)
                if lexeme:
                    found.append((start, end, lexeme, stop or (function and stops)))
            return tuple(found)
        for start, end in self._spans(text, spans):
            # Hundreds of words in every search: nothing is called that need not be.
            word = text[start:end]
            lexeme, stop = _seen(self, word if end - start <= MAX_WORD else word[:MAX_WORD], "")
            if lexeme:
                found.append((start, end, lexeme, stop))
        return tuple(found)

    def roots(self, listed: Iterable[str]) -> list[str]:
        """Returns the root of each word, though it may be a stop word."""
        return [self._root_of(word) for word in listed]

    def _spans(self, text: str, spans: _Spans) -> Iterable[words.Span]:
        found = spans(text)
        if self._language.code == "tr":
            # İstanbul'un: what follows an apostrophe is an ending.
            return (one for one in found if not words.follows_apostrophe(text, one[0]))
        return found

    def _root_of(self, word: str) -> str:
        """The root of a word that stands alone; of several in it the first that means something."""
        if self._segmenter is None:
            return _seen(self, word[:MAX_WORD], "")[0] or word
        found = list(self._segmenter.cut(word[:MAX_WORD]))
        meant = [one for one in found if not one.function] or found
        if not meant:
            return word
        first = meant[0]
        return _seen(self, word[first.start : first.end], first.root)[0] or word

    def _look(self, word: str, root: str) -> tuple[str, bool]:
        """The lexeme of a word, and whether it is a stop word."""
        stop = bool(self._stop) and fold(word, self._language) in self._stop
        if root and self._pipeline.root != "none":
            return self._finish(root), stop
        if self._pipeline.root == "lemma":
            # Dictionaries tell nouns by their capitals.
            return self._finish(self._roots.root(unify(word))), stop
        form = fold(word, self._language) if self._pipeline.fold else unify(word)
        return self._finish(self._roots.root(form)), stop

    def _finish(self, lexeme: str) -> str:
        if not self._pipeline.fold:
            return unify(lexeme)
        return strip(fold(lexeme, self._language), self._language)

    def _stop_engine(self) -> str:
        if not self._pipeline.stop:
            return ""
        known = self._segmenter.engine if self._segmenter and self._segmenter.grammar else ""
        return " ".join(name for name in (stopping.engine(self._language), known) if name)

    def _root_engine(self) -> str:
        if self._pipeline.root == "none":
            return ""
        if self._segmenter and self._segmenter.grammar:
            return self._segmenter.engine
        return self._roots.engine


# One memory each for all: those of every language and pipeline together had no bound.
@functools.lru_cache(REMEMBERED)
def _seen(of: Analyser, word: str, root: str) -> tuple[str, bool]:
    return of._look(word, root)


@functools.lru_cache(READ)
def _read(of: Analyser, text: str) -> tuple[_Word, ...]:
    return of._words(text, words.places)


def _meant(words: Sequence[_Word]) -> Sequence[_Word]:
    """The words without stop words, unless all of them are."""
    return [one for one in words if not one[3]] or words


def analyser(lang: str, pipeline: Pipeline) -> Analyser:
    """Returns the analyser of a language, the same one each time.

    The first call of a language loads its engines, which blocks for up to some seconds.

    Args:
        lang: The language; one that is not known here gets its words as they are.
        pipeline: What is done to the words.
    """
    with _making:
        return _analyser(lang if lang in LANGUAGES else "", pipeline)


@functools.cache
def _analyser(lang: str, pipeline: Pipeline) -> Analyser:
    return Analyser(LANGUAGES.get(lang, PLAIN), pipeline)
