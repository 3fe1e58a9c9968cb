"""Words without holding the event loop up: what is known, what is short, what a thread does."""

import threading
import time
from collections.abc import Collection

import pytest

from pepperpy_memory_svc.remembering import words
from pepperpy_memory_svc.remembering.analyser import PlainAnalyser
from pepperpy_memory_svc.remembering.treatments import Treatment
from pepperpy_memory_svc.remembering.words import AT_ONCE, SHORT, Words
from pepperpy_schemas.language import Analysis, Pipeline, Token
from pepperpy_schemas.memory import Entry
from tests.memory_svc.stores.making import entry

PLAIN = Treatment()


class Watched(PlainAnalyser):
    """Writes down in which threads it is asked; slow where it is told to."""

    def __init__(self) -> None:
        self.analysed = 0
        self.threads: list[bool] = []
        self.slow = ""

    def analyse(self, text: str, *, lang: str, main: str, pipeline: Pipeline) -> Analysis:
        self.analysed += 1
        return super().analyse(text, lang=lang, main=main, pipeline=pipeline)

    def find(
        self, text: str, lexemes: Collection[str], *, lang: str, main: str, pipeline: Pipeline
    ) -> list[Token]:
        self.threads.append(threading.current_thread() is not threading.main_thread())
        until = time.thread_time() + 2 * AT_ONCE
        while lang == self.slow and time.thread_time() < until:
            pass
        return super().find(text, lexemes, lang=lang, main=main, pipeline=pipeline)


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
