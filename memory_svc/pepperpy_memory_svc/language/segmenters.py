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
from collections.abc import Callable
from threading import Lock
from typing import Final

from pepperpy_memory_svc.language.east_asian import Jieba, Mecab, Sudachi
from pepperpy_memory_svc.language.pairs import Pairs
from pepperpy_memory_svc.language.segmenter import Segmenter
from pepperpy_memory_svc.language.vietnamese import Underthesea

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
