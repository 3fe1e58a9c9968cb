"""What a model may try with paths: all of it is refused by name, and the next good call works."""

import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pepperpy_agents.tools.builtin import beneath, searching
from pepperpy_agents.tools.builtin.files import file_tools
from pepperpy_agents.tools.builtin.searching import DEEPEST
from tests.agents.tools.builtin.calling import Caller
from tests.requirements import missing

SECRET = "canary-of-the-secret-file"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A granted folder with a good file, and everything around it that is none of the model's."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "good.txt").write_text("good")
    (folder / "sub" / "below.txt").write_text("below")
    (tmp_path / "data-evil").mkdir()
    for place in ("secret.txt", "data-evil/secret.txt"):
        (tmp_path / place).write_text(SECRET)
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "inner-link.txt").symlink_to("good.txt")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
    return folder


@pytest.fixture(params=["openat2", "walk"])
def opening(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of opening: with the system call, and where the kernel has none."""
    if request.param == "walk":
        monkeypatch.setattr(beneath, "_OPENAT2", 100_000)
    return str(request.param)


def caller(root: Path, *more: str) -> Caller:
    return Caller(file_tools(largest="64KiB", quota="100KiB"), [f"files:{root}", *more])


NOT_GRANTED = {
    "traversal": "{root}/../secret.txt",
    "traversal to the system": "{root}/../../../../../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "prefix twin": "{root}-evil/secret.txt",
    "symbolic link": "{root}/link.txt",
    "link to a folder": "{root}/linked/secret.txt",
    "link within the folder": "{root}/inner-link.txt",
    "backslashes": "{root}\\..\\secret.txt",
    "home": "~/.ssh/id_rsa",
    "environment": "/proc/self/environ",
    "descriptor": "/proc/self/fd/0",
    "root by proc": "{root}/linked/../../../proc/self/root/etc/passwd",
    "pipe": "{root}/pipe",
    "device": "/dev/zero",
    "folder as a file": "{root}/sub",
    "url": "file:///etc/passwd",
}
READS = {
    **{what: (path, "not_granted") for what, path in NOT_GRANTED.items()},
    "percent-encoded dots": ("{root}/%2e%2e/secret.txt", "not_found"),
    "dots behind a link": ("{root}/linked/../secret.txt", "not_found"),
    "zero byte": ("{root}/good.txt\0.png", "bad_arguments"),
    "line break": ("{root}/good.txt\n", "bad_arguments"),
    "empty": ("", "bad_arguments"),
    "too long": ("{root}/" + "x" * 300, "tool_failed"),
    "file as a folder": ("{root}/good.txt/x", "tool_failed"),
    "socket": ("{root}/socket", "tool_failed"),
}


@pytest.mark.parametrize(("path", "code"), READS.values(), ids=READS)
async def test_no_path_leads_out(root: Path, path: str, code: str, opening: str) -> None:
    call = caller(root)
    assert await call("files.read", path=path.format(root=root)) is None
    assert call.code == code
    assert SECRET not in call.said
    assert (await call("files_read", path=f"{root}/good.txt"))["text"] == "good"


KERNELS_OWN = {
    "environment": "/proc/self/environ",
    "memory": "/proc/self/mem",
    "sysfs": "/sys/kernel/uevent_seqnum",
    "device": "/dev/zero",
    "link": "/proc/self/root/etc/passwd",
}


@pytest.mark.parametrize("path", KERNELS_OWN.values(), ids=KERNELS_OWN)
async def test_even_all_files_are_not_the_kernels_own(path: str, opening: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"this machine has no {path}")
    call = Caller(file_tools(), ["files"])
    assert await call("files.read", path=path) is None
    assert call.code == "not_granted"


WRITES = {
    "traversal": "{root}/../new.txt",
    "through a link": "{root}/linked/new.txt",
    "to a link": "{root}/link.txt",
    "to a pipe": "{root}/pipe",
    "to a folder": "{root}/sub",
    "to the root": "{root}",
    "new folders through a link": "{root}/linked/a/b/new.txt",
    "prefix twin": "{root}-evil/new.txt",
}


@pytest.mark.parametrize("mode", ["replace", "append", "create"])
@pytest.mark.parametrize("path", WRITES.values(), ids=WRITES)
async def test_nothing_is_written_outside(root: Path, path: str, mode: str, opening: str) -> None:
    before = _all(root.parent)
    call = caller(root)
    assert await call("files.write", path=path.format(root=root), text="x", mode=mode) is None
    assert call.code == "not_granted"
    assert _all(root.parent) == before
    assert await call("files.write", path=f"{root}/new.txt", text="x", mode=mode)


def _all(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}


async def test_a_file_with_a_second_name_is_not_appended_to(root: Path) -> None:
    (root / "twin.txt").hardlink_to(root.parent / "secret.txt")
    call = caller(root)
    assert await call("files.write", path=f"{root}/twin.txt", text="x", mode="append") is None
    assert call.code == "not_granted"
    assert await call("files.write", path=f"{root}/twin.txt", text="x")
    assert (root.parent / "secret.txt").read_text() == SECRET


async def test_what_is_too_large_is_not_written(root: Path) -> None:
    call = caller(root)
    assert await call("files.write", path=f"{root}/big.txt", text="x" * 65_537) is None
    assert call.code == "too_large"
    assert await call("files.write", path=f"{root}/big.txt", text="x" * 110_000_000) is None
    assert call.code == "bad_arguments"
    assert not (root / "big.txt").exists()
    assert await call("files.write", path=f"{root}/big.txt", text="x" * 65_536)
    assert await call("files.write", path=f"{root}/big.txt", text="x", mode="append") is None
    assert call.code == "too_large"


async def test_the_quota_of_all_files_holds(root: Path) -> None:
    call = caller(root)
    assert await call("files.write", path=f"{root}/a.txt", text="x" * 60_000)
    assert await call("files.write", path=f"{root}/b.txt", text="x" * 60_000) is None
    assert call.code == "too_large"
    # The same size again is no growth, and what is given back can be used.
    assert await call("files.write", path=f"{root}/a.txt", text="y" * 60_000)
    assert await call("files.write", path=f"{root}/a.txt", text="")
    assert await call("files.write", path=f"{root}/b.txt", text="x" * 60_000)


async def test_many_empty_files_use_the_quota_too(root: Path) -> None:
    call = caller(root)
    codes = []
    for number in range(30):
        await call("files.write", path=f"{root}/{number}.txt", text="")
        codes.append(call.code)
    assert codes == [""] * 25 + ["too_large"] * 5
    assert await call("files.write", path=f"{root}/{'a/' * 40}b.txt", text="") is None
    assert call.code == "bad_arguments"
    assert not (root / "a").exists()
    assert await call("files.write", path=f"{root}/new/b.txt", text="") is None
    assert call.code == "too_large"
    assert not (root / "new").exists()


SWAPS: dict[str, Callable[[Path], None]] = {
    "a file for a link": lambda root: _swap(root / "sub" / "below.txt", root / "link.txt"),
    "a folder for a link": lambda root: _swap(root / "sub", root / "linked"),
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
async def test_swapping_while_it_is_opened_gains_nothing(
    root: Path, swap: Callable[[Path], None], opening: str
) -> None:
    (root.parent / "below.txt").write_text(SECRET)
    call = caller(root)
    stop = threading.Event()

    def swapping() -> None:
        while not stop.is_set():
            swap(root)

    thread = threading.Thread(target=swapping)
    thread.start()
    codes = set()
    try:
        for _ in range(300):
            found = await call("files.read", path=f"{root}/sub/below.txt")
            codes.add(call.code)
            assert found is None or found["text"] == "below"
    finally:
        stop.set()
        thread.join()
    assert codes <= {"", "not_granted", "not_found", "tool_failed"}


def _swap(one: Path, other: Path) -> None:
    """Exchanges two names, so that each of them is the link for half of the time."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    one.rename(other)
    aside.rename(one)


async def test_a_search_and_a_list_do_not_follow_links(root: Path, opening: str) -> None:
    call = caller(root)
    found = await call("files.search", path=str(root), text="canary")
    assert found == {"hits": [], "more": False}
    listed = await call("files.list", path=str(root))
    kinds = {entry["name"]: entry["kind"] for entry in listed["entries"]}
    assert kinds == {
        "good.txt": "file",
        "inner-link.txt": "other",
        "link.txt": "other",
        "linked": "other",
        "pipe": "other",
        "socket": "other",
        "sub": "folder",
    }
    assert await call("files.list", path=f"{root}/linked") is None
    assert call.code == "not_granted"


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_a_search_keeps_few_folders_open(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the model can make any number within each other."""
    above = os.open(root, os.O_RDONLY)
    for _ in range(DEEPEST + 300):
        os.mkdir("deep", dir_fd=above)
        below = os.open("deep", os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(above)
    open_ones = []

    def counted(self: object, *found: object) -> None:
        open_ones.append(_open_files())

    monkeypatch.setattr(searching._Walk, "_text", counted)
    call = caller(root)
    before = _open_files()
    found = await call("files.search", path=str(root), text="good")
    assert found is not None, call.said
    assert found["more"] is True
    assert max(open_ones) < before + 2 * DEEPEST


async def test_names_that_are_no_text_do_not_hide_the_others(root: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt")).write_text("good")
    except OSError:
        missing("this file system takes no such names")
    call = caller(root)
    listed = await call("files.list", path=str(root))
    assert {"\ufffd.txt", "good.txt"} <= {entry["name"] for entry in listed["entries"]}
    found = await call("files.search", path=str(root), text="good")
    assert {f"{root}/\ufffd.txt", f"{root}/good.txt"} <= {hit["path"] for hit in found["hits"]}


async def test_a_granted_file_is_that_file_alone(root: Path, opening: str) -> None:
    call = Caller(file_tools(), [f"files.read:{root}/good.txt"])
    assert (await call("files.read", path=f"{root}/good.txt"))["text"] == "good"
    for path in (f"{root}/sub/below.txt", f"{root}/good.txt/../sub/below.txt", str(root)):
        assert await call("files.read", path=path) is None
        assert call.code == "not_granted"


async def test_a_granted_link_is_followed_as_the_operator_named_it(
    root: Path, opening: str
) -> None:
    call = Caller(file_tools(), [f"files.read:{root}/linked/data"])
    assert (await call("files.read", path=f"{root}/linked/data/good.txt"))["text"] == "good"


@pytest.mark.parametrize("wide", ["files", "files.write"])
async def test_a_link_that_the_caller_may_have_made_is_not_followed(
    root: Path, wide: str, opening: str
) -> None:
    """A program of the model could put it where a narrower grant is."""
    (root / "out").symlink_to(root.parent)
    call = Caller(file_tools(), [f"{wide}:{root}", f"files.read:{root}/out"])
    assert await call("files.read", path=f"{root}/out/secret.txt") is None
    assert call.code == "not_granted"


async def test_reading_is_not_writing(root: Path) -> None:
    call = Caller(file_tools(), [f"files.read:{root}"])
    for name, more in (
        ("files.write", {"text": "x"}),
        ("files.list", {}),
        ("files.search", {"text": "x"}),
    ):
        assert await call(name, path=f"{root}/good.txt", **more) is None
        assert call.code == "not_granted"


async def test_a_folder_that_is_gone_is_said_to_be(root: Path) -> None:
    shutil.rmtree(root)
    call = caller(root)
    assert await call("files.read", path=f"{root}/good.txt") is None
    assert call.code == "not_found"
