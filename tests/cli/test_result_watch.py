import json
import os
import pty
import select
import signal
import time

from tests.cli.command_line import Cli


def read_terminal(leader: int, until: str, seconds: float = 20) -> str:
    """What a command writes to its terminal, until a text is there or it has ended."""
    shown, end = "", time.monotonic() + seconds
    while until not in shown and time.monotonic() < end:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                shown += os.read(leader, 65536).decode()
            except OSError:  # the other end is closed
                break
    return shown


def test_the_result_of_an_ended_task_is_printed(cli: Cli) -> None:
    cli.worker("echo")
    cli.run("publish", "echo", "n:=1", "--id", "one", "--wait")
    done = cli.run("result", "one")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"n":1}\n', "")
    document = cli.json("result", "one")
    assert document == {"id": "one", "state": "completed", "ok": True, "data": {"n": 1}}


def test_a_task_without_a_result_is_an_error_that_says_what_to_do(cli: Cli) -> None:
    done = cli.run("result", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: task nothing has no result\n  hint: see where it is: pepperpy explain nothing\n"
    )


def test_result_waits_for_a_task_that_ends_later(cli: Cli) -> None:
    cli.run("publish", "echo", "n:=2", "--id", "later")
    assert cli.run("result", "later", "--wait=100ms").returncode == 124
    waiting = cli.start("result", "later", "--wait")
    cli.worker("echo")
    assert waiting.communicate(timeout=20)[0] == '{"n":2}\n'
    assert waiting.returncode == 0


def test_the_result_of_a_failed_task_is_exit_code_1(cli: Cli) -> None:
    cli.worker("echo")
    cli.run("publish", "echo", "fail:=true", "--id", "bad", "--wait")
    done = cli.run("result", "bad")
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad failed" in done.stderr


def test_watch_gives_events_output_and_end_as_ndjson_in_a_pipe(cli: Cli) -> None:
    watching = cli.start("watch", "talk")
    cli.run("publish", "echo", 'say:=["Hel","lo"]', "--id", "talk")
    cli.worker("echo")
    out, _ = watching.communicate(timeout=20)
    assert watching.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [one["token"]["t"] for one in lines if "token" in one] == ["Hel", "lo"]
    assert [one["event"] for one in lines if "event" in one] == ["task.started", "task.completed"]
    assert lines[-1]["ended"]["data"] == {"say": ["Hel", "lo"]}


def test_watch_replays_a_task_that_has_ended_and_tells_a_failure_by_its_code(cli: Cli) -> None:
    cli.worker("echo")
    cli.run("publish", "echo", "fail:=true", "--id", "bad", "--wait")
    done = cli.run("watch", "bad", "--json")
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"] == "task.started"
    assert lines[-1]["ended"]["error"]["message"] == "it broke"


def test_watch_shows_running_text_and_escapes_it_on_a_terminal(cli: Cli) -> None:
    cli.worker("echo")
    cli.run("publish", "echo", r'say:=["Hel","lo\u001b[2J\nyou"]', "--id", "talk", "--wait")
    leader, follower = pty.openpty()
    watching = cli.start("watch", "talk", stdout=follower)
    os.close(follower)
    shown = read_terminal(leader, '"say"')
    os.close(leader)
    assert watching.wait(20) == 0
    assert "Hello\\x1b[2J\r\nyou" in shown
    assert "task.completed" in shown


def test_watch_says_when_nothing_is_known_and_ctrl_c_ends_it_quietly(cli: Cli) -> None:
    watching = cli.start("watch", "typo")
    assert watching.stderr is not None
    assert watching.stderr.readline() == "note: nothing is known of typo yet: waiting for it\n"
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=20) == ("", "")
    assert watching.returncode == 130
