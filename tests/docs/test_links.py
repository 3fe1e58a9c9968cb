import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SITE = ROOT / "docs"


def links_of(page: Path) -> list[str]:
    return [
        str(child.attrs["href"])
        for token in MarkdownIt().enable("table").parse(page.read_text("utf-8"))
        for child in token.children or ()
        if child.type == "link_open"
    ]


def anchors_of(page: Path) -> set[str]:
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    heads = [after.content for at, after in pairwise(tokens) if at.type == "heading_open"]
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(page: Path) -> list[str]:
    found = []
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        there = target.exists()
        if not there or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pictures_of_a_page_are_there(page: Path) -> None:
    pictures = [
        str(child.attrs["src"])
        for token in MarkdownIt().parse(page.read_text("utf-8"))
        for child in token.children or ()
        if child.type == "image"
    ]
    local = [one for one in pictures if not re.match(r"[a-z]+:", one)]
    assert [one for one in local if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", sorted(SITE.rglob("*.md")), ids=lambda p: str(p.relative_to(SITE)))
def test_a_page_of_the_site_links_only_to_the_site(page: Path) -> None:
    """What lies outside docs/ is not part of the built site."""
    outside = [
        link
        for link in links_of(page)
        if not re.match(r"[a-z]+:|#", link)
        and not (page.parent / link.partition("#")[0]).resolve().is_relative_to(SITE)
    ]
    assert outside == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One head\n\n[a](page.md#one-head) [b](page.md#two) [c](none.md) [d](x:y)\n")
    assert broken(page) == ["page.md#two", "none.md"]
