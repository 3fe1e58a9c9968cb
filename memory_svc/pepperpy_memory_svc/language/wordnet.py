"""English lemmas from WordNet, through NLTK's lemmatizer, where WordNet is on this machine.

It is looked for where NLTK looks (``NLTK_DATA``, folders ``nltk_data``: the corpus ``wordnet``),
and then in `FOLDERS`, where distributions put it: Debian's package ``wordnet-base``, say. NLTK
reads in the folders of ``nltk.data.path`` alone, so the one that is found is added there. Debian's
lacks a list of categories that NLTK reads at its start, and versions differ in their numbers of
synsets, which NLTK maps then; no lemma needs either.

Reading it takes some seconds and memory, once; see `benchmarks/language.py`.
"""

import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

FOLDERS: Final = (
    Path("/usr/share/wordnet"),
    Path("/usr/share/wordnet/dict"),
    Path("/usr/local/share/wordnet"),
    Path("/opt/homebrew/share/wordnet"),
)
"""Where it is looked for besides."""

_SYSTEMS: Final = ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")
_NEEDED: Final = ("index.noun", "data.noun", "noun.exc", "verb.exc")
_ORDER: Final = ("n", "v", "a")
"""A text does not say what a word is: the first part of speech that changes it counts."""


def find_wordnet(folders: tuple[Path, ...] = FOLDERS) -> Path | None:
    """Returns the folder that WordNet lies in, or none."""
    nltks = (folder / "corpora" / "wordnet" for folder in data_folders())
    for folder in (*nltks, *folders):
        if all((folder / name).is_file() for name in _NEEDED):
            return folder
    return None


def data_folders() -> list[Path]:
    """Returns where NLTK looks for data, without a second of loading it for that."""
    given = [one for one in os.environ.get("NLTK_DATA", "").split(os.pathsep) if one]
    return [
        *map(Path, given),
        Path("~/nltk_data").expanduser(),
        *(Path(sys.prefix, part, "nltk_data") for part in ("", "share", "lib")),
        *(Path(each, "nltk_data") for each in _SYSTEMS),
    ]


@functools.cache
def lemmatizer(folder: Path) -> Callable[[str], str]:
    """Returns what gives an English word's lemma; the word itself where WordNet does not know it.

    Args:
        folder: Where WordNet lies.
    """
    import nltk  # type: ignore[import-untyped]  # has no types
    from nltk.corpus.reader.wordnet import WordNetCorpusReader  # type: ignore[import-untyped]  # has no types
    from nltk.stem import WordNetLemmatizer  # type: ignore[import-untyped]  # has no types

    if str(folder) not in nltk.data.path:
        nltk.data.path.append(str(folder))

    class Reader(WordNetCorpusReader):  # type: ignore[misc]  # nltk has no types
        def open(self, file: str) -> Any:
            if file == "lexnames" and not (folder / file).is_file():
                return io.StringIO("")
            return super().open(file)

        def map_wn(self, version: str = "wordnet") -> None:  # noqa: ARG002 - NLTK calls it
            return None

    # With no reader for other languages it would warn; nobody asks it about them.
    reader = Reader(str(folder), object())

    class Lemmatizer(WordNetLemmatizer):  # type: ignore[misc]  # nltk has no types
        def _morphy(self, form: str, pos: str, check_exceptions: bool = True) -> list[str]:
            found: list[str] = reader._morphy(form, pos, check_exceptions)
            return found

    lemmas = Lemmatizer()

    def lemma(word: str) -> str:
        if len(word) <= 2:
            return word
        for pos in _ORDER:
            found = str(lemmas.lemmatize(word, pos))
            if found != word:
                return found
        return word

    return lemma
