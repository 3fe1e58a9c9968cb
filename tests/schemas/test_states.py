import pytest

from pepperpy_schemas.errors import BadPayload, Canceled, ErrorInfo, HandlerError, Rejected, info_of
from pepperpy_schemas.messages import Result
from pepperpy_schemas.states import TaskState


def test_states_have_the_names_of_a2a_and_verbs_that_fit_a_subject() -> None:
    assert [s.value for s in TaskState] == [
        "submitted",
        "working",
        "input-required",
        "completed",
        "failed",
        "canceled",
        "rejected",
    ]
    assert TaskState.INPUT_REQUIRED.verb == "input_required"


def test_four_states_are_terminal() -> None:
    assert {s for s in TaskState if s.terminal} == {"completed", "failed", "canceled", "rejected"}


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (Result(True), TaskState.COMPLETED),
        (Result(False), TaskState.FAILED),
        (Result(False, error=info_of(HandlerError())), TaskState.FAILED),
        (Result(False, error=info_of(Canceled())), TaskState.CANCELED),
        (Result(False, error=info_of(Rejected())), TaskState.REJECTED),
        (Result(False, error=info_of(BadPayload())), TaskState.REJECTED),
        (Result(False, error=ErrorInfo("from_the_future", "weather")), TaskState.FAILED),
    ],
)
def test_a_result_says_the_state_of_its_task(result: Result, state: TaskState) -> None:
    assert result.state is state
