"""What all pictures have in common: formats, the same bytes each time, names that are no markup."""

from pathlib import Path

import pytest

from pepperpy_capabilities.pictures.picture import COLOURS, picture, readable_on, shortened
from pepperpy_schemas.errors import BadName


def draw(file: Path, label: str) -> bytes:
    with picture(file, width=3, height=2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [1, 0])
        axes.set_title(label)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("name", "begins"), [("one.svg", b"<?xml"), ("one.PNG", b"\x89PNG\r\n\x1a\n")]
)
def test_the_suffix_is_the_format_and_the_same_picture_has_the_same_bytes(
    tmp_path: Path, name: str, begins: bytes
) -> None:
    first = draw(tmp_path / name, "one")
    assert first.startswith(begins)
    assert draw(tmp_path / name, "one") == first
    assert draw(tmp_path / name, "two") != first


def test_names_are_text_and_neither_formulas_nor_markup(tmp_path: Path) -> None:
    drawn = draw(tmp_path / "one.svg", "costs $1 <b>& $2</b>").decode()
    assert "costs $1 &lt;b&gt;&amp; $2&lt;/b&gt;" in drawn


def test_what_the_font_lacks_is_text_in_an_svg_and_no_warning(tmp_path: Path) -> None:
    assert "電車" in draw(tmp_path / "one.svg", "電車").decode()
    assert draw(tmp_path / "one.png", "電車").startswith(b"\x89PNG")


def test_another_suffix_is_refused_and_a_failure_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadName, match=r"one\.gif is no name of a picture"):
        draw(tmp_path / "one.gif", "one")
    with pytest.raises(KeyError), picture(tmp_path / "one.svg", width=1, height=1):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_label_is_one_line_of_a_length() -> None:
    assert shortened("two\n lines") == "two lines"
    assert shortened("x" * 50) == "x" * 39 + "…"


def test_text_is_of_the_colour_that_has_the_higher_contrast() -> None:
    assert [readable_on(colour) for colour in ("#FFFFFF", "#000000")] == ["#222222", "white"]
    assert [readable_on(colour) for colour in COLOURS[:2]] == ["white", "#222222"]
