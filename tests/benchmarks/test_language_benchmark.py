"""The benchmark of languages measures and names every figure; no timing is judged here."""

import json
from pathlib import Path

import pytest

from benchmarks import language
from pepperpy_memory_svc.language.languages import LANGUAGES
from tests.memory_svc.language.sentences import SENTENCES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Paragraphs with their questions, as XQuAD has them."""
    folder = tmp_path / "xquad"
    folder.mkdir()
    for lang in ("en", "ja"):
        pair = SENTENCES[lang]
        asked = {"context": pair.text, "qas": [{"question": pair.question}]}
        text = json.dumps({"data": [{"paragraphs": [asked]}]})
        (folder / f"xquad.{lang}.json").write_text(text, "utf-8")
    return tmp_path


def test_the_last_line_has_every_figure(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "STEPS", {"stem": language.STEPS["stem"]})
    language.main(["--data", str(data), "--quick", "--json"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {f"stem_{lang}" for lang in LANGUAGES} | {f"detect_{lang}" for lang in LANGUAGES} <= set(
        figures
    )
    assert figures["detect_paragraphs"] == figures["langdetect_paragraphs"] == 1
    assert all(figure is not None for figure in figures.values())


def test_what_cannot_be_taken_is_null(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "speeds", lambda corpus, seconds: {})
    language.main(["--quick", "--json"])
    said = capsys.readouterr()
    assert set(json.loads(said.out.splitlines()[-1]).values()) == {None}
    assert "accuracy is not measured" in said.err
