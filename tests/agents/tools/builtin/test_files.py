"""Files as a model reads and writes them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_agents.tools.builtin import searching
from pepperpy_agents.tools.builtin.files import MOST_NAMES, _text, file_tools
from pepperpy_agents.tools.builtin.searching import MOST_HITS
from tests.agents.tools.builtin.calling import Caller


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(file_tools(page=16), [f"files:{tmp_path}"])


async def test_a_long_file_comes_in_pages(call: Caller, tmp_path: Path) -> None:
    text = "äöü€𝄞" * 10
    (tmp_path / "a.txt").write_text(text)
    read, offset = "", 0
    while offset is not None:
        page = await call("files.read", path=f"{tmp_path}/a.txt", offset=offset)
        read, offset = read + page["text"], page["next"]
    assert read == text


@given(st.text(), st.integers(4, 40))
@settings(max_examples=200)
def test_no_page_cuts_a_character_in_two(text: str, page: int) -> None:
    data = text.replace("\0", "").encode()
    read, offset = "", 0
    while offset < len(data):
        piece = data[offset : offset + page]
        shown, used = _text(piece, last=offset + len(piece) >= len(data), path="a")
        assert used > 0
        read, offset = read + shown, offset + used
    assert read == data.decode()


async def test_what_is_no_text_is_said_to_be(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\0\0")
    assert await call("files.read", path=f"{tmp_path}/a.png") is None
    assert call.code == "bad_arguments"


async def test_behind_the_end_there_is_nothing(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    page = await call("files.read", path=f"{tmp_path}/a.txt", offset=100)
    assert page == {"path": f"{tmp_path}/a.txt", "text": "", "size": 3, "next": None}


async def test_a_relative_path_begins_at_the_workers_folder(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("abc")
    monkeypatch.chdir(tmp_path)
    assert (await call("files.read", path="./a.txt"))["path"] == f"{tmp_path}/a.txt"


async def test_modes_of_writing(call: Caller, tmp_path: Path) -> None:
    path = f"{tmp_path}/new/folder/a.txt"
    assert await call("files.write", path=path, text="one", mode="create") == {
        "path": path,
        "size": 3,
    }
    assert await call("files.write", path=path, text="x", mode="create") is None
    assert call.code == "conflict"
    assert (await call("files.write", path=path, text=" two", mode="append"))["size"] == 7
    assert Path(path).read_text() == "one two"
    Path(path).chmod(0o640)
    await call("files.write", path=path, text="three")
    assert Path(path).read_text() == "three"
    assert Path(path).stat().st_mode & 0o777 == 0o640
    assert [one.name for one in Path(path).parent.iterdir()] == ["a.txt"]


async def test_a_model_learns_what_it_may_use(tmp_path: Path) -> None:
    grants = [f"files.read:{tmp_path}", "http.get", f"files.write:{tmp_path}/out"]
    call = Caller(file_tools(), grants)
    assert await call("files.list") == {"granted": [grants[0], grants[2]]}


async def test_a_search_finds_lines_word_for_word(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("one\na.*b (here)\n")
    (tmp_path / "sub" / "b.txt").write_text("a.*b\n" * 2)
    (tmp_path / "c.bin").write_bytes(b"a.*b\0")
    found = await call("files.search", path=str(tmp_path), text="a.*b")
    assert [(Path(hit["path"]).name, hit["line"]) for hit in found["hits"]] == [
        ("a.txt", 2),
        ("b.txt", 1),
        ("b.txt", 2),
    ]
    assert found["more"] is False


async def test_searches_and_lists_have_an_end(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n" * (MOST_HITS + 1))
    found = await call("files.search", path=str(tmp_path), text="x")
    assert len(found["hits"]) == MOST_HITS
    assert found["more"] is True
    for number in range(MOST_NAMES + 1):
        (tmp_path / f"{number}.txt").touch()
    listed = await call("files.list", path=str(tmp_path))
    assert len(listed["entries"]) == MOST_NAMES
    assert listed["more"] is True


@pytest.mark.parametrize("limit", ["MOST_NAMES", "MOST_BYTES"])
async def test_a_search_of_too_much_says_so(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    for number in range(5):
        (tmp_path / f"folder{number}").mkdir()
        (tmp_path / f"folder{number}" / "a.txt").write_text("x")
    monkeypatch.setattr(searching, limit, 3)
    found = await call("files.search", path=str(tmp_path), text="nothing")
    assert found == {"hits": [], "more": True}
