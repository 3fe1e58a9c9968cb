"""Folders of templates: names, versions, overriding, includes, changes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pepperpy_agents.templates import Problem, Template, Templates, library, load_template
from pepperpy_agents.templates.library import SHIPPED
from pepperpy_agents.templates.reading import Source, read_source
from pepperpy_schemas.errors import BadConfig, BadName, NotFound


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_at_", "@").replace("_dot_", ".")
        path = path.with_name(f"{path.name}.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mine = tmp_path / "mine"
    return write(
        mine,
        **{
            "researcher_at_1_dot_0_dot_0": "one",
            "researcher_at_1_dot_2_dot_0": "two",
            "researcher_at_2_dot_0_dot_0-rc_dot_1": "early",
            "old": "---\nname: researcher\nversion: 0.9.0\n---\nzero",
            "mail__reply": "Dear",
        },
    )


@pytest.mark.parametrize(
    ("reference", "version", "text"),
    [
        ("researcher", "", "two"),
        ("researcher", "<1", "zero"),
        ("researcher", ">=1,<1.2", "one"),
        ("researcher", "1.0.0", "one"),
        ("researcher@1.0.0", "", "one"),
        ("researcher@~=1.0", "", "two"),
        ("researcher", "2.0.0-rc.1", "early"),
        ("researcher", ">=2.0.0rc0", "early"),
        ("mail/reply", "", "Dear"),
    ],
)
def test_the_newest_version_in_the_range_is_taken(
    folder: Path, reference: str, version: str, text: str
) -> None:
    assert Templates(folder).get(reference, version).render() == text


def test_versions_of_one_folder_are_listed_in_their_order(folder: Path) -> None:
    found = [one for one in Templates(folder).all() if isinstance(one, Template)]
    assert [one.version for one in found if one.name == "researcher"] == [
        "0.9.0",
        "1.0.0",
        "1.2.0",
        "2.0.0-rc.1",
    ]


def test_what_is_not_there_is_told_with_what_there_is(folder: Path) -> None:
    templates = Templates(folder)
    with pytest.raises(NotFound, match="no version of template researcher is >3") as missing:
        templates.get("researcher", ">3")
    assert missing.value.hint == "there is 0.9.0, 1.0.0, 1.2.0, 2.0.0rc1"
    with pytest.raises(NotFound, match="no template is named reseacher") as missing:
        templates.get("reseacher")
    assert missing.value.hint == "did you mean researcher?"
    with pytest.raises(BadName, match="cannot be read"):
        templates.get("researcher", "newest")
    for name in ("../mine/old", "/etc/passwd", "a//b", "", "a b"):
        with pytest.raises(BadName, match="is not valid"):
            templates.get(name)
    with pytest.raises(BadConfig, match="there is no folder"):
        Templates(folder / "none")


def test_a_folder_overrides_those_after_it_and_the_package_comes_last(
    folder: Path, tmp_path: Path
) -> None:
    first = write(tmp_path / "first", **{"researcher": "---\nversion: 0.1.0\n---\nmine"})
    templates = Templates(first, folder)
    assert templates.get("researcher").render() == "mine"
    assert templates.get("researcher", ">=1").render() == "two"
    assert "plainly" in templates.get("house-style").render()
    write(first, **{"house-style": "My own style."})
    assert Templates(first, folder).get("house-style").render() == "My own style."


def test_an_include_is_found_on_the_same_way_and_brings_its_variables(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "letter": '---\nvariables: {to: str}\n---\nDear {{ to }},\n{% include "sign@<2" %}\n',
            "sign_at_1_dot_0_dot_0": "---\nvariables: {by: {default: us}}\n---\n{{ by }}",
            "sign_at_2_dot_0_dot_0": "no",
        },
    )
    letter = Templates(tmp_path).get("letter")
    assert letter.render(to="Ana") == "Dear Ana,\nus"
    assert letter.render(to="Ana", by="me") == "Dear Ana,\nme"
    assert sorted(letter.variables) == ["by", "to"]
    assert load_template(tmp_path / "letter.md").render(to="Bo", by="x") == "Dear Bo,\nx"


def test_includes_that_contradict_or_go_in_a_circle_are_refused(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "a": "\n{% include 'b' %}",
            "b": "{% include 'c' %}",
            "c": "x\n{% include 'a' %}",
            "int": "---\nvariables: {n: int}\n---\n{% include 'str' %}",
            "str": "---\nvariables: {n: str}\n---\n{{ n }}",
            "lost": "\n{% include 'nothing' %}",
        },
    )
    templates = Templates(tmp_path)
    with pytest.raises(BadConfig, match=r"c\.md:2: the includes go in a circle"):
        templates.get("a").render()
    with pytest.raises(BadConfig, match=r"variable n is int, and str in .*str\.md"):
        templates.get("int").render(n=1)
    with pytest.raises(BadConfig, match=r"lost\.md:2: no template is named nothing"):
        templates.get("lost").render()
    with pytest.raises(BadConfig, match="no folder to look in"):
        Template("{% include 'a' %}").render()


def test_includes_lie_only_so_deep_in_each_other(tmp_path: Path) -> None:
    for n in range(12):
        (tmp_path / f"n{n}.md").write_text(f"{{% include 'n{n + 1}' %}}")
    (tmp_path / "n12.md").write_text("deep")
    templates = Templates(tmp_path)
    assert templates.get("n5").render() == "deep"
    with pytest.raises(BadConfig, match="more than 8 deep"):
        templates.get("n0").render()


def test_an_error_in_an_include_is_told_by_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, a="---\nvariables: {d: dict}\n---\n{% include 'b' %}", b="\n\n{{ d.x }}")
    (tmp_path / "b.md").write_text("---\nvariables: {d: dict}\n---\n\n\n{{ d.x }}")
    with pytest.raises(BadConfig, match=r"b\.md:6: the mapping has no 'x'"):
        Templates(tmp_path).get("a").render(d={})


def test_files_are_read_once_and_in_development_when_they_change(tmp_path: Path) -> None:
    write(tmp_path, a="{% include 'b' %}", b="old")
    once, again = Templates(tmp_path), Templates(tmp_path, reload=True)
    kept = again.get("a")
    assert once.get("a").render() == kept.render() == "old"
    assert again.get("a") is kept
    (tmp_path / "b.md").write_text("new")
    os.utime(tmp_path / "b.md", ns=(1, 1))
    assert once.get("a").render() == "old"
    assert again.get("a").render() == "new"
    (tmp_path / "c.md").write_text("more")
    assert again.get("c").render() == "more"
    (tmp_path / "c.md").unlink()
    with pytest.raises(NotFound):
        again.get("c")


def test_all_files_are_there_for_whoever_looks_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a__first="1", b__second="2")
    templates = Templates(tmp_path / "a", tmp_path / "b")
    beside: list[Template] = []
    others = ThreadPoolExecutor(1)

    def read(path: Path, *, folder: Path) -> Source:
        if path.stem == "second" and not beside:
            # Who looks now, in another thread, reads for itself, and so finds it.
            monkeypatch.setattr(library, "read_source", read_source)
            beside.append(others.submit(templates.get, "second").result())
        return read_source(path, folder=folder)

    monkeypatch.setattr(library, "read_source", read)
    with others:
        assert templates.get("second").text.body == "2"
    assert [one.text.body for one in beside] == ["2"]


def test_a_file_that_goes_while_the_folder_is_read_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, first="1")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    templates = Templates(tmp_path)
    assert templates.get("first").text.body == "1"
    with pytest.raises(NotFound):
        templates.get("gone")


def test_a_file_that_is_no_template_spoils_no_other(tmp_path: Path) -> None:
    write(tmp_path, good="fine", bad="---\nversion: 1\n---\n")
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe")
    (tmp_path / "notes.rst").write_text("no template")
    templates = Templates(tmp_path)
    assert templates.get("good").render() == "fine"
    with pytest.raises(BadConfig, match=r"bad\.md:2"):
        templates.get("bad")
    problems = [one.path.name for one in templates.all() if isinstance(one, Problem)]
    assert sorted(problems) == ["bad.md", "binary.md"]


def test_one_version_in_two_files_and_two_versions_in_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\nversion: 1.0.0\n---\n")
    (tmp_path / "a@1.0.0.md").write_text("")
    with pytest.raises(BadConfig, match=r"are both a 1\.0\.0"):
        Templates(tmp_path).get("a")
    (tmp_path / "b@1.0.0.md").write_text("---\nversion: 2.0.0\n---\n")
    with pytest.raises(BadConfig, match=r"says version 1\.0\.0, its head 2\.0\.0"):
        Templates(tmp_path).get("b")


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    endings = {".txt": "text", ".md": "markdown", ".json": "json", ".j2": "text", ".jinja": "text"}
    for ending, wanted in endings.items():
        (tmp_path / f"x{ending}").write_text("1")
        assert load_template(tmp_path / f"x{ending}").format == wanted
    (tmp_path / "x.rst").write_text("1")
    with pytest.raises(BadConfig, match="has the ending"):
        load_template(tmp_path / "x.rst")
    with pytest.raises(BadConfig, match="cannot be read"):
        load_template(tmp_path / "none.md")


def test_every_template_of_the_package_can_be_rendered() -> None:
    for path in SHIPPED.rglob("*.*"):
        load_template(path).check()
