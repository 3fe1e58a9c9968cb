"""A learner that somebody has written: it counts words. Without options, as small as can be."""

import json
from collections import Counter
from collections.abc import Sequence

import msgspec

from pepperpy_schemas.errors import BadExample, BadProblem
from pepperpy_schemas.problems import Answer, Measured


class Word(msgspec.Struct, frozen=True):
    word: str


class Often(Answer, frozen=True):
    times: int = 0


class WordCounter:
    name = "words"
    example = Word
    asked = Word
    guess = Often

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def learn(self, example: Word) -> None:
        if not example.word:
            raise BadExample("it is empty", context={"field": "word"})
        self.counts[example.word] += 1

    def predict(self, asked: Word) -> Often:
        times = self.counts[asked.word]
        return Often(times=times, explanation=f"it was there {times} times")

    def evaluate(self) -> Sequence[Measured]:
        return [Measured(self.counts.total(), {"words": float(len(self.counts))})]

    def save(self) -> bytes:
        return json.dumps(self.counts).encode()

    def load(self, state: bytes) -> None:
        try:
            self.counts = Counter(msgspec.json.decode(state, type=dict[str, int]))
        except msgspec.DecodeError as error:
            raise BadProblem(f"no counts: {error}") from None

    def reset(self) -> None:
        self.counts.clear()
