import io
import json

from pepperpy.stack.output import Output


def written(*lines: tuple[str, str], **options: bool) -> str:
    stream = io.StringIO()
    output = Output(stream, **options)
    output.align("broker", "worker.1")
    for name, text in lines:
        output.line(name, text)
    return stream.getvalue()


def test_lines_stand_behind_names_of_one_width():
    text = written(("broker", "hello"), ("worker.1", "hi"), ("up", "note"))
    assert text == "broker   | hello\nworker.1 | hi\nup       | note\n"


def test_each_name_has_a_colour_of_its_own_on_a_terminal():
    text = written(("broker", "hello"), ("worker.1", "hi"), color=True)
    assert text == "\x1b[36mbroker   |\x1b[0m hello\n\x1b[35mworker.1 |\x1b[0m hi\n"


def test_a_name_that_nobody_announced_still_gets_its_line():
    assert written(("a-service-that-came-late", "hi")) == "a-service-that-came-late | hi\n"


def test_json_lines_get_the_name_and_other_lines_become_events():
    text = written(
        ("worker.1", '{"event":"worker.ready","n":1}'), ("broker", "[WRN] slow"), as_json=True
    )
    assert [json.loads(line) for line in text.splitlines()] == [
        {"child": "worker.1", "event": "worker.ready", "n": 1},
        {"child": "broker", "event": "[WRN] slow"},
    ]


def test_text_for_people_is_left_out_where_machines_read():
    stream = io.StringIO()
    Output(stream, as_json=True).text("welcome")
    assert stream.getvalue() == ""
