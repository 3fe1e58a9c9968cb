import fcntl
import os
from pathlib import Path

import pytest

from pepperpy.stack.leftovers import LOCK, remove_leftovers, temporary_folder


def left_by_a_killed_stack(place: Path) -> Path:
    folder = place / "pepperpy-dead"
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets/operator").write_text("secret")
    (folder / LOCK).touch()
    return folder


def test_the_next_stack_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    dead = left_by_a_killed_stack(tmp_path)
    with temporary_folder(tmp_path) as folder:
        assert not dead.exists()
        assert [path.name for path in folder.iterdir()] == [LOCK]
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_running_stack_is_left_alone(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        (first / "data").touch()
        remove_leftovers(tmp_path)
        assert (first / "data").exists()
        assert second.exists()


def test_folders_that_no_stack_made_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "pepperpy-notes"
    other.mkdir()
    real = left_by_a_killed_stack(tmp_path / "elsewhere")
    (tmp_path / "pepperpy-link").symlink_to(real)
    remove_leftovers(tmp_path)
    assert other.exists()
    assert (real / LOCK).exists()


def test_what_cannot_be_removed_yet_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = left_by_a_killed_stack(tmp_path)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    remove_leftovers(tmp_path)
    assert (dead / LOCK).exists()
    monkeypatch.undo()
    remove_leftovers(tmp_path)
    assert not dead.exists()


def test_the_lock_is_held_while_the_folder_is_in_use(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        handle = os.open(folder / LOCK, os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(handle)
