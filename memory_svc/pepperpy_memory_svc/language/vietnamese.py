"""The words of Vietnamese, by a library that knows them."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from threading import Lock

from pepperpy_memory_svc.language import words
from pepperpy_memory_svc.language.segmenter import Morpheme, pieces, readable


class Underthesea:
    """Vietnamese words, which white space cuts into syllables, and their syllables.

    A question of two words is too short to tell which syllables belong together, so those of a
    word are found as well.
    """

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
            if first < number:
                yield Morpheme(offset + spans[first][0], offset + end)
            yield from (
                Morpheme(offset + one[0], offset + one[1]) for one in spans[first : number + 1]
            )
            first = number + 1
        at += 1
