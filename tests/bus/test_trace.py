import asyncio
import os

import pytest

from pepperpy_bus.trace import (
    Attempted,
    TraceContext,
    active,
    attempt_span,
    current,
    new_trace,
    outgoing,
    parse,
    place_span,
    send_span,
    sent_task,
    told,
)
from pepperpy_schemas.headers import fold

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_a_context_is_read_in_any_letter_case_of_its_header(name: str) -> None:
    context = parse(fold({name: f"00-{TRACE}-{SPAN}-01"}))
    assert (context.trace_id, context.span_id, context.sampled) == (TRACE, SPAN, True)


@pytest.mark.parametrize(
    ("flags", "sampled", "sent"),
    [
        ("00", False, "00"),
        ("01", True, "01"),
        ("02", False, "02"),
        ("03", True, "03"),
        ("ff", True, "03"),
        ("fc", False, "00"),
    ],
)
def test_flags_are_kept_as_far_as_they_are_known(flags: str, sampled: bool, sent: str) -> None:
    context = parse({"traceparent": f"00-{TRACE}-{SPAN}-{flags}"})
    assert context.sampled is sampled
    assert context.child().headers()["traceparent"].endswith(f"-{sent}")


def test_a_later_version_is_read_and_answered_in_ours() -> None:
    context = parse({"traceparent": f"cc-{TRACE}-{SPAN}-01-what-the-future-brings"})
    assert context.headers() == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{'٣' * 32}-{SPAN}-01",
    ],
)
def test_a_malformed_context_begins_a_new_trace(text: str) -> None:
    context = parse({"traceparent": text, "tracestate": "a=1", "baggage": "b=2"})
    assert context.trace_id != TRACE
    assert len(context.trace_id) == 32
    assert int(context.trace_id, 16) > 0
    assert context.sampled
    assert (context.tracestate, context.baggage) == ("", "")


def test_a_child_keeps_everything_but_the_span() -> None:
    given = {
        "traceparent": f"00-{TRACE}-{SPAN}-01",
        "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "baggage": "userId=alice,serverNode=DF%2028",
    }
    parent = parse(given)
    child = parent.child()
    assert parent.headers() == given
    assert child.span_id not in (SPAN, parent.child().span_id)
    assert child == TraceContext(
        TRACE, child.span_id, True, given["tracestate"], given["baggage"], False
    )


def test_state_and_baggage_that_are_too_long_or_unprintable_are_left_out() -> None:
    context = parse(
        {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a" * 513, "baggage": "b\x07"}
    )
    assert context.trace_id == TRACE
    assert context.headers() == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


def test_what_is_sent_inside_a_context_names_its_span() -> None:
    assert current() is None
    alone = outgoing()
    with active(parse({"traceparent": f"00-{TRACE}-{SPAN}-01"})) as context:
        assert current() is context
        assert outgoing() == parse({"traceparent": f"00-{TRACE}-{SPAN}-01"})
        with active(alone):
            assert outgoing().trace_id == alone.trace_id
        assert current() is context
    assert current() is None


async def test_the_context_goes_along_with_a_task_of_asyncio() -> None:
    async def seen() -> TraceContext | None:
        return current()

    with active(new_trace(sampled=False)) as context:
        task = asyncio.create_task(seen())
    assert await task is context
    assert context.headers()["traceparent"].endswith("-00")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the child calls nothing but this
def test_forked_processes_do_not_repeat_each_others_ids() -> None:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, new_trace().trace_id.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 32).decode() != new_trace().trace_id
    os.close(read)
    os.close(write)


def test_a_family_without_a_trace_is_one() -> None:
    first = sent_task({}, "t1", parent="", root="")
    child = sent_task({}, "t2", parent="t1", root="t1")
    assert (first.trace_id, first.span_id, first.sampled) == (child.trace_id, "", True)
    assert child.span_id == send_span("t1")
    assert sent_task({}, "t2", parent="", root="").trace_id != first.trace_id
    # What is stored of a trace may be read by another version, or another program.
    assert first.trace_id == "0a1a8a736965100b5ce7b3e4336be1a0"
    assert send_span("t1") == "3ca45f43d60c738c"


def test_a_trace_that_a_task_carries_comes_before_that_of_its_family() -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
    context = Attempted(headers, "t1", "t0", "t0", 2).context
    assert context == TraceContext(TRACE, attempt_span("t1", 2), sampled=False)
    assert told(headers) == headers["traceparent"]
    assert told({}) == told({"traceparent": "x" * 10_000}) == ""


def test_spans_of_a_task_differ_by_what_they_stand_for() -> None:
    spans = {send_span("t1"), *(attempt_span("t1", n) for n in range(1, 50))}
    spans |= {place_span("t1", attempt, n) for attempt in range(1, 20) for n in range(1, 50)}
    assert len(spans) == 1 + 49 + 19 * 49
    assert all(len(one) == 16 for one in spans)
