from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec
import pytest

from pepperpy_schemas import codec, errors
from pepperpy_schemas.errors import (
    BadPayload,
    Conflict,
    ErrorInfo,
    HandlerError,
    PepperError,
    QueueFull,
    RefusedByServer,
    RemoteError,
    error_from_info,
    error_types,
    info_of,
)


def test_every_error_has_its_own_code_and_a_sentence() -> None:
    types = list(error_types())
    codes = [one.code for one in types]
    assert len(set(codes)) == len(codes) >= 20
    for one in types:
        assert (one.__doc__ or "").partition("\n")[0].endswith(".")


def test_no_error_of_the_tree_is_below_another_so_that_the_table_is_whole() -> None:
    declared = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, PepperError)
    }
    assert declared - {RemoteError} == set(error_types())


def test_an_error_says_its_docstring_unless_told_otherwise() -> None:
    assert str(Conflict()) == "The same id was used before with another body."
    special = Conflict("id 7 was used", hint="use 8", context={"id": "7"}, retryable=True)
    assert special.info() == ErrorInfo(
        "conflict", "input", "id 7 was used", True, "use 8", {"id": "7"}
    )
    assert Conflict().retryable is False


@pytest.mark.parametrize("cls", list(error_types()))
def test_every_error_comes_back_from_the_wire_as_its_own_class(cls: type[PepperError]) -> None:
    sent = cls("it broke", hint="mend it", context={"n": 1})
    body = codec.encode(sent.info())
    got = error_from_info(codec.decode(body, ErrorInfo))
    assert type(got) is cls
    assert got.info() == sent.info()


def test_an_unknown_code_is_kept_as_it_came() -> None:
    info = ErrorInfo("from_the_future", "weather", "it rains", True, "wait", {"mm": 3})
    error = error_from_info(info)
    assert isinstance(error, RemoteError)
    assert (error.retryable, error.hint, error.context) == (True, "wait", {"mm": 3})
    assert error.info() == info


def _raise_chain() -> None:
    try:
        try:
            raise KeyError("customer")
        except KeyError as low:
            raise BadPayload("no customer") from low
    except BadPayload as middle:
        raise RuntimeError("triage failed") from middle


def test_the_causes_of_an_error_travel_and_come_back_chained() -> None:
    with pytest.raises(RuntimeError) as caught:
        _raise_chain()
    info = info_of(caught.value)
    assert info.code == HandlerError.code
    assert info.message == "RuntimeError: triage failed"
    assert info.context == {"type": "builtins.RuntimeError"}
    assert info.cause is not None
    assert info.cause.code == "bad_payload"
    assert info.cause.cause is not None
    assert info.cause.cause.message == "KeyError: 'customer'"
    back = error_from_info(info)
    assert isinstance(back.__cause__, BadPayload)
    assert isinstance(back.__cause__.__cause__, HandlerError)


def test_a_remote_error_keeps_the_causes_that_came_with_it() -> None:
    info = ErrorInfo("new_code", cause=ErrorInfo("queue_full", "bus", "full"))
    error = error_from_info(info)
    assert isinstance(error.__cause__, QueueFull)
    assert error.info().cause == info.cause


def test_an_error_raised_while_handling_another_names_it_unless_suppressed() -> None:
    def fail(*, hide: bool) -> ErrorInfo:
        try:
            try:
                raise ValueError("low")
            except ValueError:
                if hide:
                    raise Conflict("high") from None
                raise Conflict("high")  # noqa: B904 - the implicit chain is the subject
        except Conflict as error:
            return info_of(error)

    assert fail(hide=True).cause is None
    shown = fail(hide=False).cause
    assert shown is not None
    assert shown.message == "ValueError: low"


def test_an_endless_chain_of_causes_is_cut() -> None:
    bottom: Exception = ValueError("0")
    for number in range(1, 50):
        above = ValueError(str(number))
        above.__cause__ = bottom
        bottom = above
    depth, info = 0, info_of(bottom)
    while info.cause is not None:
        depth, info = depth + 1, info.cause
    assert depth == 8
    mixed: PepperError = Conflict("a")
    mixed.__cause__ = mixed
    assert codec.encode(mixed.info())


def test_a_foreign_error_without_words_is_named_by_its_type() -> None:
    assert info_of(TimeoutError()).message == "TimeoutError"


def test_a_traceback_never_travels() -> None:
    with pytest.raises(RuntimeError) as caught:
        _raise_chain()
    body = codec.encode(info_of(caught.value))
    assert b"_raise_chain" not in body
    assert b"Traceback" not in body


def test_defaults_are_left_out_of_the_body() -> None:
    assert codec.encode(ErrorInfo("timeout")) == b'{"code":"timeout"}'
    assert msgspec.json.decode(codec.encode(ErrorInfo("x", retryable=True))) == {
        "code": "x",
        "retryable": True,
    }


def test_a_refusal_of_the_server_has_the_servers_number() -> None:
    assert RefusedByServer("no", context={"err_code": 10058}).err_code == 10058
    assert RefusedByServer("no").err_code == 0


def test_the_traceback_of_another_process_does_not_travel() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(int, "x").exception()
    assert isinstance(error, ValueError)
    assert error.__cause__ is not None
    assert info_of(error).cause is None
