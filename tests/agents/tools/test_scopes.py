"""What a scope covers, and above all what it does not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepperpy_agents.tools import Grants, Scope
from pepperpy_schemas.errors import BadConfig

NAME = st.text("abcXYZ019_-", min_size=1, max_size=6)
NAMES = st.lists(NAME, min_size=1, max_size=3).map(".".join)
PART = st.text("ab.-_ äß%\\*?[", min_size=1, max_size=5).filter(
    lambda part: part not in (".", "..")
)
PATH = st.lists(PART, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
LABEL = st.text("abc019-", min_size=1, max_size=5)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
RESOURCES = st.one_of(
    st.tuples(st.sampled_from(["files.read", "files", "sql.query"]), PATH),
    st.tuples(st.sampled_from(["http.get", "http"]), HOST),
    st.tuples(st.sampled_from(["shell.run", "memory.search", "orders"]), NAME),
).map(":".join)
SCOPES = st.one_of(NAMES, RESOURCES)


@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("files", "files.read:/data/x"),
        ("files.read", "files.read:/data/x"),
        ("files:/data", "files.read:/data/x"),
        ("files.read:/data", "files.read:/data"),
        ("files.read:/data/", "files.read:/data//x"),
        ("files.read:/", "files.read:/data"),
        ("http.get:example.org", "http.get:EXAMPLE.org"),
        ("http.get:*.example.org", "http.get:a.b.example.org"),
        ("http.get:*.example.org", "http.get:*.a.example.org"),
        ("http.get:example.org:8443", "http.get:example.org:8443"),
        ("http.get:[::1]", "http.get:[::1]"),
        ("memory.search:papers", "memory.search:papers"),
        ("orders.read:c42", "orders.read:c42"),
    ],
)
def test_a_scope_covers_what_lies_within_it(granted: str, needed: str) -> None:
    assert Grants.of([granted]).allow(needed)


@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("files.read", "files.write:/data/x"),
        ("files.read", "files"),
        ("files.read", "files.readall:/x"),
        ("files.read:/data", "files.read:/database"),
        ("files.read:/data", "files.read"),
        ("files.read:/data", "files.read:/"),
        ("files.read:/data", "files.read:/DATA/x"),
        ("files.read:/data", "files.read:/data/../etc/passwd"),
        ("files.read:/data", "files.read:data/x"),
        ("files.read:/data", "files.read:/data/x\n"),
        ("files.read:/data", "files.read:/data/\0"),
        ("http.get:example.org", "http.get:a.example.org"),
        ("http.get:example.org", "http.get:example.org.evil.net"),
        ("http.get:example.org", "http.get:example.org:8443"),
        ("http.get:example.org", "http.get:example.org@evil.net"),
        ("http.get:example.org", "http.get:evil.net/example.org"),
        ("http.get:example.org", "http.post:example.org"),
        ("http.get:*.example.org", "http.get:example.org"),
        ("http.get:*.example.org", "http.get:evilexample.org"),
        ("http.get:*.example.org", "http.get:.example.org"),
        ("memory.search:papers", "memory.search:papers2"),
        ("memory.search:papers", "memory.search:papers/x"),
        ("orders.read:c42", "orders.read:*"),
        ("orders.read:c42", "orders.read:"),
        ("orders.read:c42", ""),
        ("orders.read:c42", "orders.read:c42 "),
    ],
)
def test_a_scope_covers_nothing_beside_it(granted: str, needed: str) -> None:
    assert not Grants.of([granted]).allow(needed)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":/data", "files.", ".read", "fi les", "files..read", "a\n"),
        *("http.get:", "http.get:*", "http.get:a b", "http.get:http://example.org", "http.get:*.*"),
        *("orders.read:*", "files.read:/\x1b[2J", "files.read:" + "/x" * 4000),
    ],
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="is no scope"):
        Scope.parse(text)
    assert not Grants.of(["files", "http", "orders"]).allow(text)


def test_relative_paths_of_grants_begin_at_a_folder(tmp_path: Path) -> None:
    grants = Grants.of(["files.read:./papers", "files.write:../out"], base=tmp_path)
    assert grants.allow(f"files.read:{tmp_path}/papers/a.md")
    assert grants.allow(f"files.write:{tmp_path.parent}/out/a.md")
    assert not grants.allow(f"files.read:{tmp_path}/a.md")
    assert Grants.of(["files.read:here"]).allow(f"files.read:{Path.cwd()}/here")
    assert Grants.of(["files.read:~/here"]).allow(f"files.read:{Path.home()}/here")


def test_grants_are_a_list() -> None:
    with pytest.raises(BadConfig, match="grants are a list"):
        Grants.of("files.read")


def test_what_is_missing_is_named() -> None:
    grants = Grants.of(["files.read:/data"]) + Grants.of(["orders"])
    assert grants.missing(["files.read:/data/x", "files.read:/etc", "orders.read:c42"]) == [
        "files.read:/etc"
    ]
    assert Grants().missing(["orders"]) == ["orders"]


@settings(max_examples=300, deadline=None)
@given(RESOURCES)
def test_a_scope_as_text_is_read_as_the_same_scope(text: str) -> None:
    scope = Scope.parse(text)
    assert Scope.parse(str(scope)) == scope
    assert scope.covers(scope)


@settings(max_examples=500, deadline=None)
@given(SCOPES, SCOPES, SCOPES)
def test_what_is_covered_by_a_covered_scope_is_covered(one: str, two: str, three: str) -> None:
    a, b, c = Scope.parse(one), Scope.parse(two), Scope.parse(three)
    if a.covers(b) and b.covers(c):
        assert a.covers(c)
    if a.covers(b) and b.covers(a):
        assert a == b


@settings(max_examples=300, deadline=None)
@given(NAMES, NAME, NAME)
def test_a_grant_never_covers_a_sibling_of_its_names(head: str, one: str, two: str) -> None:
    granted, sibling = Scope.parse(f"{head}.{one}"), Scope.parse(f"{head}.{two}")
    assert granted.covers(sibling) == (one == two)
    assert not granted.covers(Scope.parse(head))


@settings(max_examples=300, deadline=None)
@given(PATH, PART, PART)
def test_a_grant_never_covers_a_sibling_of_its_path(above: str, one: str, two: str) -> None:
    granted = Scope.parse(f"files.read:{above}/{one}")
    assert granted.covers(Scope.parse(f"files.read:{above}/{two}")) == (one == two)
    assert granted.covers(Scope.parse(f"files.read:{above}/{one}/{two}"))
    assert not granted.covers(Scope.parse(f"files.read:{above}/{one}{two}"))
    assert not granted.covers(Scope.parse(f"files.read:{above}"))


@settings(max_examples=300, deadline=None)
@given(HOST, LABEL, LABEL)
def test_a_grant_of_a_host_never_covers_another(host: str, one: str, two: str) -> None:
    below = Scope.parse(f"http.get:*.{host}")
    assert below.covers(Scope.parse(f"http.get:{one}.{host}"))
    assert not below.covers(Scope.parse(f"http.get:{host}"))
    assert not below.covers(Scope.parse(f"http.get:{one}{host}"))
    granted = Scope.parse(f"http.get:{one}.{host}")
    assert granted.covers(Scope.parse(f"http.get:{two}.{host}")) == (one == two)
