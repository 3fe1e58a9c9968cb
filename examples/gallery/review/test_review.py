import subprocess
from pathlib import Path

import pytest
import review
import reviewer

pytestmark = pytest.mark.pepper("reviewer:agent")

HERE = Path(__file__).parent


def finding(file, line, severity="bug"):
    return {"file": file, "line": line, "severity": severity, "comment": "look"}


async def test_the_agent_reads_its_folder_and_nothing_else(pepper):
    pepper.model.calls_tools(
        ("files.read", {"path": f"{reviewer.ROOT}/prices.py"}),
        ("files.read", {"path": f"{reviewer.ROOT}/../reviewer.py"}),
        ("files.read", {"path": "/etc/passwd"}),
        ("files.write", {"path": f"{reviewer.ROOT}/prices.py", "text": ""}),
    )
    pepper.model.replies({"summary": "a discount", "findings": [finding("basket.py", 12)]})
    found = await pepper.run("review", (HERE / "change.diff").read_text("utf-8"))
    assert found.findings[0].line == 12
    read, *refused = [
        part for part in pepper.model.requests[1].messages[-1].parts if hasattr(part, "content")
    ]
    assert "from 0 to 100" in read.content
    assert [part.content.split(":")[0] for part in refused] == [
        "not_granted",
        "not_granted",
        "unknown_tool",
    ]


async def test_the_client_shows_what_is_found_in_the_change(pepper, monkeypatch, capsys):
    for name, value in pepper.environ.items():
        monkeypatch.setenv(name, value)
    findings = [finding("basket.py", 12), finding("prices.py", 3), finding("basket.py", 7, "nit")]
    pepper.model.replies({"summary": "a discount", "findings": findings})
    diff = (HERE / "change.diff").read_text("utf-8")
    code = review.show(await review.ask(diff, "10s"), set(review.added(diff)))
    assert (code, capsys.readouterr().out.splitlines()) == (
        1,
        [
            "a discount",
            "basket.py:12: bug: look",
            "(2 more, at lines that the change does not touch)",
        ],
    )


@pytest.mark.parametrize("context", [0, 3])
def test_the_lines_of_a_diff_are_those_that_git_added(tmp_path, context):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    git("init", "--quiet")
    (tmp_path / "a.txt").write_text("".join(f"{n}\n" for n in range(1, 41)))
    (tmp_path / "gone.txt").write_text("-- a line that looks like a header\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    changed = [f"{n}\n" for n in range(1, 41)]
    changed[4] = "++ changed\n"
    del changed[9]
    changed[27] = "a page\fbreak\n"
    changed.insert(29, "new")
    (tmp_path / "a.txt").write_text("".join(changed))
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "b.txt").write_text("one\ntwo")
    git("add", ".")
    found = set(review.added(git("diff", "--cached", f"-U{context}")))
    new = (tmp_path / "a.txt").read_text().split("\n")
    assert [new[line - 1] for file, line in sorted(found) if file == "a.txt"] == [
        "++ changed",
        "a page\fbreak",
        "new31",
    ]
    assert {(file, line) for file, line in found if file != "a.txt"} == {("b.txt", 1), ("b.txt", 2)}
