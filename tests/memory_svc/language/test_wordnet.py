import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepperpy_memory_svc.language import roots as module
from pepperpy_memory_svc.language.languages import LANGUAGES
from pepperpy_memory_svc.language.roots import NONE, _guarded, roots
from pepperpy_memory_svc.language.wordnet import FOLDERS, find_wordnet, lemmatizer
from tests.requirements import missing


def test_a_folder_without_all_of_wordnet_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "index.noun").touch()
    assert find_wordnet((tmp_path,)) is None or find_wordnet((tmp_path,)) != tmp_path


def test_it_is_found_where_nltk_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in ("index.noun", "data.noun", "noun.exc", "verb.exc"):
        (folder / name).touch()
    monkeypatch.setenv("NLTK_DATA", f"elsewhere{os.pathsep}{tmp_path}")
    assert find_wordnet(()) == folder


def test_nltk_looks_in_the_same_folders() -> None:
    code = (
        "import sys; from pepperpy_memory_svc.language.wordnet import data_folders, find_wordnet;"
        "find_wordnet(); assert 'nltk' not in sys.modules;"
        "from nltk.data import path; assert list(map(str, data_folders())) == path, path"
    )
    environ = {**os.environ, "NLTK_DATA": f"/one{os.pathsep}/two"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environ)


def test_debians_wordnet_gives_lemmas() -> None:
    folder = find_wordnet(FOLDERS)
    if folder is None:
        missing("WordNet is not here: scripts/install-system-packages")
    lemma = lemmatizer(folder)
    words = ["libraries", "mice", "running", "went", "better", "xyzzy", "is", "us"]
    assert [lemma(word) for word in words] == [
        "library", "mouse", "run", "go", "good", "xyzzy", "is", "us",
    ]  # fmt: skip


def test_simplemma_stands_in_where_wordnet_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_wordnet", lambda: None)
    found = module._roots.__wrapped__(LANGUAGES["en"], "lemma")
    assert found.engine.startswith("simplemma")
    assert found.root("mice") == "mouse"


def test_a_language_without_roots_has_none() -> None:
    assert roots(LANGUAGES["zh"], "lemma") is NONE
    assert roots(LANGUAGES["vi"], "stem") is NONE


def test_a_word_that_a_stemmer_fails_at_stays_as_it_is() -> None:
    def fails(word: str) -> str:
        raise IndexError(word)

    assert _guarded("x", fails).root("abc") == "abc"
