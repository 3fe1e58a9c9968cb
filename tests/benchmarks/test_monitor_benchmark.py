"""The benchmark of the monitor runs and names every figure; no timing is judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.monitor import KEYS, PEER
from benchmarks.monitors import pages
from benchmarks.monitors.story import celery_events, events

ROOT = Path(__file__).resolve().parents[2]


def test_the_last_line_has_exactly_the_named_keys_and_a_peer_that_is_left_out_is_null() -> None:
    counts = ("--tasks", "300", "--events", "3000")
    done = subprocess.run(
        [sys.executable, "benchmarks/monitor.py", "--json", "--no-peer", *counts],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert tuple(figures) == KEYS
    assert {key for key, figure in figures.items() if figure is None} == set(PEER)
    assert figures["history"] == 1
    assert 300 < figures["kept_bytes_per_task"] < 1024
    assert table[0].startswith("3000 events")


def test_both_are_told_the_same_tasks_in_as_many_events() -> None:
    ours = [subject.split(".") for subject, _ in events(40) if subject.startswith("event")]
    theirs = list(celery_events(40))
    assert len(ours) == len(theirs) == 120
    assert [tokens[-1] for tokens in ours] == [fields["uuid"] for _, _, fields in theirs]
    failed = [tokens[-1] for tokens in ours if tokens[2] == "failed"]
    assert failed == [fields["uuid"] for _, kind, fields in theirs if kind == "task-failed"]
    assert len(failed) == 2


def test_a_page_weighs_what_it_loads_from_its_server_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = {
        "/": b'<html><link href="/a.css"><script src="m.js"></script><script src="m.js"></script>'
        b'<img src="https://elsewhere.example/x.png"></html>',
        "/a.css": b"@font-face{src:url(f.woff2?x=1)} a{background:url(data:image/png;base64,AA)}",
        "/f.woff2?x=1": b"f" * 100,
        "/m.js": b'import {a} from "./n.js"; import("./lazy.js")',
        "/n.js": b"1",
        "/lazy.js": b"22",
        "/data?q=1": b"{}",
    }
    asked: list[str] = []

    def fetched(url: str) -> bytes:
        path = url.removeprefix("http://h")
        asked.append(path)
        return site[path]

    monkeypatch.setattr(pages, "fetched", fetched)
    assert pages.weight("http://h/", "/data?q=1") == sum(map(len, site.values()))
    assert sorted(asked) == sorted(site)
