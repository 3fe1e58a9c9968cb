"""The declaration of the memory service."""

from pathlib import Path

import pytest

from pepperpy_memory_svc.declared.reading import MAIN, read_declaration
from pepperpy_memory_svc.remembering.access import place, places
from pepperpy_schemas.errors import BadConfig, NotFound

TEXT = """
[namespaces.shared]
principals = ["*"]

[namespaces.support]
principals = ["worker"]
main = "de"

[namespaces.support.terms]
short = "30m"
medium = 0
"""


def test_without_a_file_everybody_has_one_namespace() -> None:
    declaration = read_declaration(None)
    assert [one.name for one in places(declaration, "anybody")] == [MAIN]


def test_ones_own_namespace_comes_before_that_of_everybody(tmp_path: Path) -> None:
    (tmp_path / "memory.toml").write_text(TEXT)
    declaration = read_declaration(tmp_path / "memory.toml")
    assert place(declaration, "worker", "").name == "support"
    assert place(declaration, "worker", "shared").name == "shared"
    assert place(declaration, "ana", "").name == "shared"
    with pytest.raises(NotFound):
        place(declaration, "ana", "support")
    terms = declaration.namespaces["support"].terms
    assert [terms.seconds("short"), terms.seconds("medium"), terms.seconds("long")] == [
        1800.0,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("namespaces = {}", "namespaces"),
        ("[namespaces.a]\nmain = 'xx'", "namespaces.a.main = 'xx'"),
        ("[namespaces.'a b']", "a b"),
        ("[namespaces.a]\ncolour = 1", "namespaces.a.colour"),
        ("[namespaces.a.terms]\nshort = '-1h'", "namespaces.a.terms.short"),
        ("[namespaces.a", "is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_place(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "memory.toml"
    path.write_text(text)
    with pytest.raises(BadConfig) as refused:
        read_declaration(path)
    assert said in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read"):
        read_declaration(tmp_path / "none.toml")
