"""What every learner must do."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from pepperpy_bus.bodies import to_json
from pepperpy_schemas.codec import decode
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.tokens import check_topic


class LearnerConformance:
    """The tests of a learner.

    Attributes:
        examples: Some that it can learn from, in order.
        asked: A question that it can answer after them.
        unusable: Examples that it must refuse: NaN, other features, wrong types.
        unreadable: States that are none of it.
    """

    examples: ClassVar[Sequence[Any]]
    asked: ClassVar[Any]
    unusable: ClassVar[Sequence[Any]] = ()
    unreadable: ClassVar[Sequence[bytes]] = (b"", b"{}", b"no state", b"\x80\x04N.")

    def make(self) -> Any:
        """Returns a new one that has learned nothing."""
        raise NotImplementedError

    def test_its_name_makes_a_topic(self) -> None:
        check_topic(f"learn-{self.make().name}")

    def test_it_guesses_and_explains(self) -> None:
        one = self.taught()
        guess = one.predict(self.asked)
        assert type(guess) is one.guess
        assert guess.explanation.strip()

    def test_guessing_changes_nothing(self) -> None:
        one = self.taught()
        before = one.save()
        one.predict(self.asked)
        assert one.save() == before

    def test_examples_questions_and_guesses_come_back_from_the_wire_as_they_were(self) -> None:
        one = self.taught()
        for example in self.examples:
            assert decode(to_json(example), one.example) == example
        assert decode(to_json(self.asked), one.asked) == self.asked
        guess = one.predict(self.asked)
        assert decode(to_json(guess), one.guess) == guess

    def test_the_same_examples_lead_to_the_same_guess(self) -> None:
        assert self.taught().predict(self.asked) == self.taught().predict(self.asked)

    def test_a_loaded_state_goes_on_as_the_saved_one_would_have(self) -> None:
        half = len(self.examples) // 2
        first = self.make()
        for example in self.examples[:half]:
            first.learn(example)
        second = self.make()
        second.load(first.save())
        for example in self.examples[half:]:
            first.learn(example)
            second.learn(example)
        assert second.predict(self.asked) == first.predict(self.asked)
        assert list(second.evaluate()) == list(first.evaluate())

    def test_its_figures_are_in_the_order_of_time(self) -> None:
        counts = [one.examples for one in self.taught().evaluate()]
        assert counts
        assert counts == sorted(counts)
        assert counts[-1] <= len(self.examples)

    def test_an_example_that_it_cannot_use_changes_nothing(self) -> None:
        one = self.taught()
        before = one.save()
        for example in self.unusable:
            try:
                one.learn(example)
            except PepperError as error:
                assert error.category == "input", error.info()
                msgspec.json.encode(error.info())
            else:
                raise AssertionError(f"it learned from {example}")
            assert one.save() == before

    def test_a_state_that_is_none_of_it_changes_nothing(self) -> None:
        one = self.taught()
        before = one.save()
        for state in self.unreadable:
            try:
                one.load(state)
            except PepperError as error:
                assert error.category == "input", error.info()
            else:
                raise AssertionError(f"it loaded {state!r}")
            assert one.save() == before

    def test_it_forgets_all_it_has_learned(self) -> None:
        one = self.taught()
        one.reset()
        assert not any(figures.examples for figures in one.evaluate())
        for example in self.examples:
            one.learn(example)
        assert one.predict(self.asked) == self.taught().predict(self.asked)

    def taught(self) -> Any:
        """Returns a new one that has learned from all examples."""
        one = self.make()
        for example in self.examples:
            one.learn(example)
        return one
