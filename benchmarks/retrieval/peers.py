"""Other memories beside ours: LangGraph's store and mem0, each with the vectors that ours has."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.brokers import scratch
from benchmarks.retrieval.corpora import Corpus
from benchmarks.retrieval.kept import KeptEmbedder
from benchmarks.retrieval.quality import judged
from pepperpy_memory_svc.embedding.embedder import Embedder, Purpose, Vector

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"langgraph": "LangGraph's store", "mem0": "mem0"}
"""Their names in the table."""
_BATCH = 32


async def peers(
    corpora: Sequence[Corpus], embedder: Embedder, kept: Path | None, *, install: bool = True
) -> dict[str, dict[str, float]]:
    """Returns the figures of every corpus by peer; none where they cannot be installed.

    Args:
        corpora: The corpora.
        embedder: What embeds, not open yet.
        kept: Folder for vectors that are known; None for none.
        install: Whether what is not installed yet is, which takes minutes.
    """
    python = _python(install=install)
    if python is None:
        return {}
    figures: dict[str, dict[str, float]] = {name: {} for name in NAMES.values()}
    async with KeptEmbedder(embedder, kept) as known:
        for corpus in corpora:
            with scratch("peers") as folder:
                await _write(corpus, known, folder)
                for peer, name in NAMES.items():
                    rankings = _asked(python, peer, folder)
                    if rankings is not None:
                        figures[name] |= judged(corpus, rankings)
    return figures


async def _write(corpus: Corpus, embedder: KeptEmbedder, folder: Path) -> None:
    passages, questions = corpus.passages, [one.text for one in corpus.questions]
    said = json.dumps({"passages": passages, "questions": questions})
    (folder / "corpus.json").write_text(said, "utf-8")
    np.save(folder / "passages.npy", await _vectors(embedder, list(passages.values()), "passage"))
    np.save(folder / "questions.npy", await _vectors(embedder, questions, "query"))


async def _vectors(embedder: KeptEmbedder, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
    vectors: list[Vector] = []
    for start in range(0, len(texts), _BATCH):
        vectors += await embedder.embed(texts[start : start + _BATCH], purpose)
    return vectors


def _asked(python: Path, peer: str, folder: Path) -> list[list[str]] | None:
    script = str(ROOT / "benchmarks/retrieval/peer.py")
    done = subprocess.run(
        [str(python), script, peer, str(folder)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        print(f"{peer} failed: {done.stderr[-500:]}", file=sys.stderr)
        return None
    rankings: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return rankings


def _python(*, install: bool) -> Path | None:
    """The interpreter of their virtual environment, which is made when there is none."""
    venv = ROOT / "build/bench-memory"
    python = venv / "bin/python"
    if not (venv / "installed").exists():
        if not install:
            print("LangGraph's store and mem0 are not installed: left out", file=sys.stderr)
            return None
        print("installing LangGraph's store and mem0 into build/bench-memory …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
        group = f"{ROOT / 'pyproject.toml'}:bench-memory"
        if subprocess.run([*pip, "install", "--quiet", "--group", group], check=False).returncode:
            print("they cannot be installed: they are left out", file=sys.stderr)
            return None
        (venv / "installed").touch()
    return python
