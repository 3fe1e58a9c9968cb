"""Words without holding the event loop up: what is known, what is short, what a thread does."""

import threading
import time
from collections.abc import Collection

import pytest

from pepperpy_memory_svc.remembering import words
from pepperpy_memory_svc.remembering.analyser import PlainAnalyser
from pepperpy_memory_svc.remembering.treatments import Treatment
from pepperpy_memory_svc.remembering.words import AT_ONCE, SHORT, Words
from pepperpy_schemas.language import Analysis, Detection, Pipeline, Token
from pepperpy_schemas.memory import Entry
from tests.memory_svc.stores.making import entry

PLAIN = Treatment()


class Watched(PlainAnalyser):
    """Writes down in which threads it is asked; slow where it is told to."""

    def __init__(self) -> None:
        self.analysed = 0
        self.threads: list[bool] = []
        self.asked: list[bool] = []
        self.slow = ""

    def language(self, text: str, *, main: str) -> Detection:
        self.asked.append(elsewhere())
        return Detection("de" if "lampe" in text else "", 0.7)

    def analyse(self, text: str, *, lang: str, main: str, pipeline: Pipeline) -> Analysis:
        self.analysed += 1
        self.asked.append(elsewhere())
        self.work(lang)
        return super().analyse(text, lang=lang, main=main, pipeline=pipeline)

    def find(
        self, text: str, lexemes: Collection[str], *, lang: str, main: str, pipeline: Pipeline
    ) -> list[Token]:
        self.threads.append(elsewhere())
        self.work(lang)
        return super().find(text, lexemes, lang=lang, main=main, pipeline=pipeline)

    def work(self, lang: str) -> None:
        until = time.thread_time() + 2 * AT_ONCE
        while lang and lang == self.slow and time.thread_time() < until:
            pass


def elsewhere() -> bool:
    """Whether this is not the thread of the event loop."""
    return threading.current_thread() is not threading.main_thread()


def text(lang: str = "en", size: int = 20) -> Entry:
    return entry(text="lamp " * (size // 5), lang=lang)


async def test_a_question_that_was_asked_before_is_not_analysed_again() -> None:
    analyser = Watched()
    asked = Words(analyser)
    first = await asked.asked(PLAIN, "where is the lamp")
    assert await asked.asked(PLAIN, "where is the lamp") == first
    assert analyser.analysed == 1
    await asked.asked(Treatment(main="de"), "where is the lamp")
    await asked.asked(PLAIN, "where is the lamp", "de")
    assert analyser.analysed == 3


async def test_the_questions_that_were_asked_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "KEPT", 2)
    analyser = Watched()
    asked = Words(analyser)
    for question in ("a", "b", "a", "c", "a"):
        await asked.asked(PLAIN, question)
    assert analyser.analysed == 3
    await asked.asked(PLAIN, "b")
    await asked.asked(PLAIN, "x" * (SHORT + 1))
    await asked.asked(PLAIN, "x" * (SHORT + 1))
    assert analyser.analysed == 6


async def test_a_question_leaves_the_loop_until_its_language_is_known_to_be_quick() -> None:
    analyser = Watched()
    analyser.slow = "de"
    asked = Words(analyser)
    for question in ("where is the lamp", "wo ist die lampe", "was the lamp lit"):
        await asked.asked(PLAIN, question)
    # First its language is asked for, then its words.
    assert analyser.asked == [True, True, False, True, False, False]
    await asked.asked(PLAIN, "eine lampe")
    await asked.asked(PLAIN, "a lamp " * SHORT)
    assert analyser.asked[6:] == [False, True, True, True]


async def test_the_words_of_a_question_say_its_language_and_how_sure_that_is() -> None:
    asked = Words(Watched())
    words = await asked.asked(PLAIN, "wo ist die lampe")
    assert (words.lang, words.confidence) == ("de", 0.7)
    words = await asked.asked(PLAIN, "wo ist die lampe", "nl")
    assert (words.lang, words.confidence) == ("nl", 1.0)


async def test_short_texts_are_looked_through_at_once_when_their_language_is_quick() -> None:
    analyser = Watched()
    found = Words(analyser)
    first = await found.found(PLAIN, [text(), text()], {"lamp"})
    assert [len(one) for one in first] == [4, 4]
    assert analyser.threads == [True, True]
    again = await found.found(PLAIN, [text(), text("de"), text()], {"lamp"})
    assert [len(one) for one in again] == [4, 4, 4]
    assert analyser.threads[2:] == [False, True, True]
    await found.found(PLAIN, [text(size=2 * SHORT)], {"lamp"})
    assert analyser.threads[5:] == [True]


async def test_a_language_that_is_slow_is_left_to_a_thread() -> None:
    analyser = Watched()
    found = Words(analyser)
    await found.found(PLAIN, [text("vi")], {"lamp"})
    analyser.slow = "vi"
    await found.found(PLAIN, [text("vi"), text("vi")], {"lamp"})
    await found.found(PLAIN, [text("vi")], {"lamp"})
    assert analyser.threads == [True, False, True, True]
