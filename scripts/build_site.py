#!/usr/bin/env python3
"""Builds the documentation site into build/site, with an llms.txt, without a network.

Needs the dependency group: pip install --group docs
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Builds the site and returns the exit code."""
    if importlib.util.find_spec("zensical") is None:
        print("build_site: zensical is missing: pip install --group docs", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(command, cwd=ROOT, check=False)
    if built.returncode:
        return built.returncode
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    site = ROOT / config["site_dir"]
    (site / "llms.txt").write_text(llms_txt(config), "utf-8")
    for page in pages(config["nav"]):
        target = site / page
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / config["docs_dir"] / page, target)
    print(f"built {config['site_dir']}")
    return 0


def llms_txt(config: dict[str, Any]) -> str:
    """Returns the list of pages for language models (llmstxt.org), each as Markdown."""
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}", ""]
    for entry in config["nav"]:
        [(section, content)] = entry.items()
        if isinstance(content, str):
            lines += [f"- [{section}]({content})"]
        else:
            lines += ["", f"## {section}", ""]
            lines += [f"- [{title(page)}]({page})" for page in pages(content)]
            lines += [""]
    return "\n".join(lines) + "\n"


def pages(nav: list[Any]) -> list[str]:
    """Returns the pages of a navigation in their order."""
    found: list[str] = []
    for entry in nav:
        content = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += [content] if isinstance(content, str) else pages(content)
    return found


def title(page: str) -> str:
    """Returns a page's first heading."""
    lines = (ROOT / "docs" / page).read_text("utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


if __name__ == "__main__":
    sys.exit(main())
