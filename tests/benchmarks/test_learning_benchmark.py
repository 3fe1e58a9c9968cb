"""The benchmark of learning measures and names every figure; no timing is judged here."""

import json

import pytest

from benchmarks import learning


def figures_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, float | None]:
    learning.main([*arguments, "--json"])
    *table, last = capsys.readouterr().out.splitlines()
    figures: dict[str, float | None] = json.loads(last)
    assert tuple(figures) == learning.KEYS
    assert [line.split()[0] for line in table] == list(learning.KEYS)
    return figures


def test_the_last_line_has_every_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "cost", lambda _: 1.0)
    figures = figures_of(capsys, "--quick")
    known = {key: figure for key, figure in figures.items() if figure is not None}
    assert set(known) == set(learning.KEYS)
    assert known["router_share"] > known["one_model_share"] > known["chance_share"]
    assert 0.9 <= known["router_share_min"] <= known["router_share"] <= 1
    assert known["drift_recovery_max"] <= 500
    assert known["regret_vs_uniform"] < 0.5
    assert known["regret_vs_ucb1_bound"] < 1


def test_what_is_left_out_is_null(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "fleet", lambda _: {})
    monkeypatch.setattr(learning, "fleet_by_linucb", lambda _: {})
    monkeypatch.setattr(learning, "losses", lambda *_: {})
    monkeypatch.setattr(learning, "cost", lambda _: None)
    assert set(figures_of(capsys, "--quick", "--no-broker").values()) == {None}
