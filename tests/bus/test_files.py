import os
import stat
from pathlib import Path

import pytest

from pepperpy_bus import files
from pepperpy_bus.files import open_to_all, read_secret, write_file, write_secret
from pepperpy_schemas.errors import BadConfig


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_gets_its_content_and_the_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    write_file(path, "héllo")
    assert path.read_bytes() == "héllo".encode()
    assert mode_of(path) == 0o644


def test_a_replaced_file_keeps_its_mode_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    write_file(path, b"1", mode=0o640)
    write_file(path, b"2")
    assert (path.read_bytes(), mode_of(path)) == (b"2", 0o640)


def test_a_failed_write_leaves_the_old_content_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.txt"
    write_file(path, "old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_one_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_secret_is_written_for_its_owner_only_and_read_without_the_line_break(
    tmp_path: Path,
) -> None:
    path = tmp_path / "password"
    write_secret(path, "s3cret \r\n")
    assert mode_of(path) == 0o600
    assert read_secret(path) == "s3cret "


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_secret_open_to_all_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("s3cret")
    path.chmod(mode)
    with pytest.raises(BadConfig, match="open to all users") as caught:
        read_secret(path)
    assert caught.value.hint == f"close it: chmod 600 {path}"
    assert "s3cret" not in str(caught.value)


def test_a_secret_shared_with_its_group_is_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("s3cret")
    path.chmod(0o640)
    assert read_secret(path) == "s3cret"


def test_a_secret_mounted_by_compose_may_be_readable_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_MOUNTED_SECRETS", (tmp_path / "run" / "secrets",))
    path = tmp_path / "run" / "secrets" / "password"
    path.parent.mkdir(parents=True)
    path.write_text("s3cret")
    path.chmod(0o444)
    assert read_secret(path) == "s3cret"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * 65_537, "larger than 64KiB"),
    ],
)
def test_a_secret_file_without_a_secret_is_refused_by_name(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        write_secret(path, content)
    with pytest.raises(BadConfig, match=complaint) as caught:
        read_secret(path)
    assert str(path) in caught.value.message


def test_a_pipe_in_the_place_of_a_secret_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "password"
    os.mkfifo(path, 0o600)
    with pytest.raises(BadConfig, match="not a regular file"):
        read_secret(path)


def test_open_to_all_looks_at_everybodys_rights_only(tmp_path: Path) -> None:
    path = tmp_path / "pepperpy.toml"
    path.touch()
    path.chmod(0o660)
    assert not open_to_all(path)
    path.chmod(0o664)
    assert open_to_all(path)
