import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pepperpy import PepperError, connect
from tests.running import start_up

__all__ = ["start_up"]

EXAMPLE = Path(__file__).parents[2] / "examples/digest"
AGENT = EXAMPLE / "agent.py"


async def stack_over(start_up, folder: Path, *, workers: int = 1) -> Any:
    up = await start_up(
        f"{AGENT}:agent",
        "--workers",
        str(workers),
        "--port",
        "0",
        DIGEST_ROOT=str(folder),
        PEPPERPY_WORKER_CONCURRENCY="2",
    )
    await up.is_ready()
    return up


async def run(folder: Path, url: str, *arguments: str, within: float = 60) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLE / "run.py",
        folder,
        "--url",
        url,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), within)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def odd_files(folder: Path) -> None:
    (folder / "sub dir").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / ".hidden/no.txt").write_text("not looked at")
    (folder / "empty.txt").write_text("")
    (folder / "plain.md").write_text("Pepper grows. Pepper is hot;\nnothing grows hotter")
    (folder / "sub dir/copy of plän.md").write_bytes((folder / "plain.md").read_bytes())
    (folder / "binary.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "latin.txt").write_bytes("Käse, Soße und noch mehr Käse\n".encode("latin-1"))
    (folder / "cut.txt").write_bytes("Fünf Käse".encode()[:2])
    (folder / "wide.txt").write_bytes("twenty-two words".encode("utf-16"))
    (folder / "japanese.txt").write_text("吾輩は猫である\n")
    (folder / "huge.txt").write_text("otters swim far\n" * 700_000)
    (folder / "one-line.txt").write_text("x" * 3_000_000)
    (folder / "closed.txt").write_text("secret")
    (folder / "closed.txt").chmod(0)
    (folder / "loop").symlink_to("loop")
    (folder / "nowhere").symlink_to("gone.txt")
    (folder / "inside").symlink_to("plain.md")
    (folder / "outside").symlink_to("/etc/hostname")
    (folder / "round").symlink_to(".")
    os.mkfifo(folder / "pipe")


async def test_every_file_of_a_folder_gets_its_result_however_odd_it_is(start_up, tmp_path):
    folder = tmp_path / "files"
    odd_files(folder)
    up = await stack_over(start_up, folder)

    code, out, err = await run(folder, up.url, "--json")

    assert code == 0, err
    report = json.loads(out)
    files = {file["path"]: file for file in report["files"]}
    digests = {path: file.get("digest", {}) for path, file in files.items()}
    assert len(files) == 16
    assert report["totals"]["files"] == 16
    assert report["totals"]["missing"] == 0

    plain = digests["plain.md"]
    assert plain["sha256"] == hashlib.sha256((folder / "plain.md").read_bytes()).hexdigest()
    assert (plain["kind"], plain["lines"], plain["words"]) == ("text", 2, 8)
    assert plain["terms"][:2] == [{"term": "pepper", "count": 2}, {"term": "grows", "count": 2}]
    assert digests["empty.txt"]["kind"] == "text"
    assert "words" not in digests["empty.txt"]
    assert digests["binary.bin"]["kind"] == "binary"
    assert digests["latin.txt"]["encoding"] == "latin-1"
    assert digests["latin.txt"]["terms"][0] == {"term": "käse", "count": 2}
    assert digests["cut.txt"]["encoding"] == "latin-1"
    assert (digests["wide.txt"]["encoding"], digests["wide.txt"]["words"]) == ("utf-16", 3)
    assert digests["japanese.txt"]["words"] == 7
    huge = digests["huge.txt"]
    assert (huge["lines"], huge["words"]) == (700_000, 2_100_000)
    assert huge["terms"][0] == {"term": "otters", "count": 700_000}
    assert digests["one-line.txt"]["lines"] == 1
    assert digests["loop"]["kind"] == digests["nowhere"]["kind"] == "unreadable"
    assert digests["inside"]["sha256"] == plain["sha256"]
    if os.geteuid() != 0:
        assert digests["closed.txt"]["problem"] == "Permission denied"
    assert "leads out of the folder" in files["outside"]["error"]
    assert files["pipe"]["error"] == "pipe is not a regular file"
    assert report["totals"]["doubles"] == [["inside", "plain.md", "sub dir/copy of plän.md"]]
    assert report["totals"]["longest"][0] == "huge.txt"
    assert sum(report["workers"].values()) == 16


async def test_a_worker_reads_nothing_above_its_folder_whoever_asks(start_up, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    up = await stack_over(start_up, folder)

    async with connect(up.url) as bus:
        for path in ("../secret.txt", str(tmp_path / "secret.txt"), "/etc/hostname", "a\0b"):
            with pytest.raises(PepperError) as refused:
                await bus.run("digest", {"path": path}, wait="10s")
            assert refused.value.code == "rejected"
        with pytest.raises(PepperError) as bad:
            await bus.run("digest", {"path": "a", "pause": 1e9}, wait="10s")
    assert bad.value.code == "bad_payload"
    assert "$.pause" in str(bad.value)


@pytest.mark.slow
async def test_a_killed_worker_takes_no_result_with_it(start_up, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for n in range(24):
        (folder / f"{n:02}.txt").write_text(f"text number {n}\n" * n)
    up = await stack_over(start_up, folder, workers=3)

    code, out, err = await run(folder, up.url, "--json", "--kill-one", "--pause", "0.2", within=120)

    assert code == 0, err
    report = json.loads(out)
    assert report["killed"]["pid"] in up.pids.values()
    assert report["killed"]["held"]
    assert [file["path"] for file in report["files"]] == [f"{n:02}.txt" for n in range(24)]
    assert all(file["digest"]["kind"] == "text" for file in report["files"])
    again = {file["path"]: file for file in report["files"] if file.get("attempt", 1) > 1}
    assert again
    assert set(again) <= set(report["killed"]["held"])
    assert all(file["worker"] != report["killed"]["worker"] for file in again.values())
    assert "attempt 2, by digest/" in err
    assert f"{report['totals']['repeated']}" == str(len(again))


async def test_people_get_a_table_and_a_hint_when_no_worker_is_there(start_up, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("hello hello world")
    up = await stack_over(start_up, folder)

    code, out, _ = await run(folder, up.url)
    assert code == 0
    assert "1: 1 texts, 0 binary, 0 unreadable, 0 failed, 0 missing" in out
    assert "hello (2), world (1)" in out

    empty = await start_up("--port", "0")
    await empty.is_ready()
    code, out, err = await run(folder, empty.url, "--wait", "4s")
    assert code == 1
    assert "no worker has begun yet; start one: DIGEST_ROOT=" in err
    assert "1 missing" in out
