import os

import nightly
import pytest

from pepperpy_schemas.errors import RequestRefused

pytestmark = pytest.mark.pepper("nightly:agent")


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setattr(nightly, "NOTES", tmp_path / "notes")
    monkeypatch.setattr(nightly, "DIGESTS", tmp_path / "digests")
    nightly.NOTES.mkdir()


def write(name, second):
    note = nightly.NOTES / name
    note.write_text(f"all about {name}", "utf-8")
    os.utime(note, (second, second))


async def test_each_night_tells_what_was_written_since_the_one_before(pepper):
    pepper.model.answers(lambda request: request.messages[-1].text.split()[-1])
    plan = {"cron": "0 30 2 * * *", "tz": "Europe/Lisbon", "id": "nightly"}
    await pepper.client.submit("nightly", None, **plan)
    write("b.md", 2)
    write("a.md", 1)
    digests = []
    for _ in range(2):
        [task] = await pepper.advance("1d")
        digests.append(await pepper.result(task, topic="nightly"))
        write("c.md", 3)
    assert [one.notes for one in digests] == [2, 1]
    first, second = sorted(nightly.DIGESTS.iterdir())
    assert [str(first), str(second)] == [one.file for one in digests]
    lines = [line for line in first.read_text("utf-8").splitlines() if line]
    assert lines[1:] == ["## a.md", "a.md", "## b.md", "b.md"]
    assert second.read_text("utf-8").endswith("## c.md\n\nc.md\n")
    [task] = await pepper.advance("1d")
    assert await pepper.result(task, topic="nightly") == nightly.Digest("", 0)


async def test_a_night_that_failed_is_made_good_by_the_next_one(pepper):
    write("a.md", 1)
    write("b.md", 2)
    pepper.model.replies("A.", RequestRefused("not tonight"))
    with pytest.raises(RequestRefused):
        await pepper.run("nightly")
    assert not nightly.DIGESTS.exists()
    pepper.model.replies("A.", "B.")
    assert (await pepper.run("nightly")).notes == 2
