"""SQL in an SQLite file: it only reads, only that file, and only for a time."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pepperpy_agents.tools import threads
from pepperpy_agents.tools.builtin.rows import MOST_BYTES, MOST_ROWS
from pepperpy_agents.tools.builtin.sqlite import sqlite_tool
from tests.agents.conftest import wait_until
from tests.agents.tools.builtin.calling import Caller


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE parcels (id INTEGER, owner TEXT, seal BLOB)")
        rows = [(n, f"owner {n}", b"\1\2") for n in range(MOST_ROWS + 1)]
        connection.executemany("INSERT INTO parcels VALUES (?, ?, ?)", rows)
    connection.close()
    for other in ("other.db", "shop.db-evil"):
        sqlite3.connect(tmp_path / other).close()
    (tmp_path / "link.db").symlink_to(path)
    return path


@pytest.fixture
def call(shop: Path) -> Caller:
    return Caller([sqlite_tool()], [f"sql.query:{shop}"])


async def test_rows_come_with_their_columns(call: Caller, shop: Path) -> None:
    found = await call(
        "sql.query",
        path=str(shop),
        statement="SELECT id, owner, seal FROM parcels WHERE owner = ? OR id = ? ORDER BY id",
        values=["owner 7", 3],
    )
    assert found == {
        "columns": ["id", "owner", "seal"],
        "rows": [[3, "owner 3", "[2 bytes]"], [7, "owner 7", "[2 bytes]"]],
        "more": False,
    }


async def test_tables_are_described(call: Caller, shop: Path) -> None:
    schema = await call("sql.query", path=str(shop), statement="SELECT name FROM sqlite_schema")
    assert schema["rows"] == [["parcels"]]
    columns = await call("sql.query", path=str(shop), statement="PRAGMA table_info(parcels)")
    assert [row[1] for row in columns["rows"]] == ["id", "owner", "seal"]


async def test_a_value_is_a_value(call: Caller, shop: Path) -> None:
    for value in ("' OR 1=1 --", "'; DROP TABLE parcels; --", "%", "\0"):
        found = await call(
            "sql.query",
            path=str(shop),
            statement="SELECT id FROM parcels WHERE owner = ?",
            values=[value],
        )
        assert found["rows"] == []


async def test_many_rows_and_large_values_are_cut(call: Caller, shop: Path) -> None:
    found = await call("sql.query", path=str(shop), statement="SELECT id FROM parcels")
    assert (len(found["rows"]), found["more"]) == (MOST_ROWS, True)
    wide = "SELECT replace(hex(zeroblob(3000)), '0', 'x') FROM parcels"
    found = await call("sql.query", path=str(shop), statement=wide)
    assert found["more"] is True
    assert sum(len(row[0]) for row in found["rows"]) <= MOST_BYTES
    found = await call("sql.query", path=str(shop), statement="SELECT hex(zeroblob(30000))")
    assert len(found["rows"][0][0]) < 5000


NOT_READING = {
    "insert": "INSERT INTO parcels VALUES (1, 'x', NULL)",
    "update": "UPDATE parcels SET owner = 'x'",
    "delete": "DELETE FROM parcels",
    "drop": "DROP TABLE parcels",
    "create": "CREATE TABLE x (y)",
    "temporary": "CREATE TEMP TABLE x (y)",
    "attach": "ATTACH DATABASE '{folder}/other.db' AS other",
    "attach a new one": "ATTACH DATABASE '{folder}/new.db' AS other",
    "vacuum into": "VACUUM INTO '{folder}/new.db'",
    "pragma": "PRAGMA query_only = OFF",
    "writable schema": "PRAGMA writable_schema = ON",
    "begin": "BEGIN IMMEDIATE",
    "extension": "SELECT load_extension('/tmp/x.so')",
    "counting": "SELECT length(printf('%.*c', 1000000000, 'x'))",
    "tokenizer": "SELECT fts3_tokenizer('simple', x'00')",
    "inserting CTE": "WITH x AS (SELECT 1) INSERT INTO parcels SELECT 1, 'x', NULL FROM x",
}


@pytest.mark.parametrize("statement", NOT_READING.values(), ids=NOT_READING)
async def test_what_is_more_than_reading_is_refused(
    call: Caller, shop: Path, statement: str
) -> None:
    before = {path.name: path.read_bytes() for path in shop.parent.iterdir()}
    text = statement.format(folder=shop.parent)
    assert await call("sql.query", path=str(shop), statement=text) is None
    assert call.code == "not_granted"
    assert {path.name: path.read_bytes() for path in shop.parent.iterdir()} == before
    assert await call("sql.query", path=str(shop), statement="SELECT 1")


@pytest.mark.parametrize(
    "statement", ["", "SELEKT", "SELECT nothing FROM parcels", "SELECT 1; SELECT 2", "SELECT ?"]
)
async def test_what_is_wrong_is_the_models_to_mend(
    call: Caller, shop: Path, statement: str
) -> None:
    found = await call("sql.query", path=str(shop), statement=statement)
    assert found == {"columns": [], "rows": [], "more": False} if statement == "" else found is None
    assert call.code == ("" if statement == "" else "bad_arguments")


async def test_an_endless_statement_ends(shop: Path) -> None:
    call = Caller([sqlite_tool(time_limit="300ms")], [f"sql.query:{shop}"])
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    assert await call("sql.query", path=str(shop), statement=endless) is None
    assert call.code == "tool_timeout"
    assert await call("sql.query", path=str(shop), statement="SELECT 1")


LONG_A = "replace(hex(zeroblob(60000)), '0', 'a')"
COSTLY = {
    "steps that are long": (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000),"
        f" x(a, b) AS (SELECT {LONG_A}, substr({LONG_A}, 1, 60000) || 'b')"
        " SELECT sum(instr(a, b)) FROM n, x"
    ),
    "trimming": (
        f"SELECT length(trim({LONG_A}, substr(replace({LONG_A}, 'a', 'b'), 1, 20000) || 'a'))"
    ),
    "tables of tables": "WITH t0 AS (SELECT 1 AS x)"
    + "".join(f", t{n} AS (SELECT a.x FROM t{n - 1} a, t{n - 1} b)" for n in range(1, 25))
    + " SELECT * FROM t24",
    "sorting": "WITH RECURSIVE n(x) AS (SELECT randomblob(200000) UNION ALL"
    " SELECT randomblob(200000) FROM n) SELECT * FROM n ORDER BY 1",
}


@pytest.mark.parametrize("statement", COSTLY.values(), ids=COSTLY)
async def test_a_costly_statement_leaves_nothing_running(shop: Path, statement: str) -> None:
    call = Caller([sqlite_tool(time_limit="5s")], [f"sql.query:{shop}"])
    assert await call("sql.query", path=str(shop), statement=statement) is None
    assert call.code in {"tool_timeout", "too_large", "bad_arguments"}
    await wait_until(lambda: not threads._running)
    found = await call("sql.query", path=str(shop), statement="SELECT trim(' a'), trim('bab', 'b')")
    assert found["rows"] == [["a", "a"]]


@pytest.mark.parametrize("bomb", ["randomblob(1000000000)", "zeroblob(1000000000)"])
async def test_a_large_value_is_not_made(call: Caller, shop: Path, bomb: str) -> None:
    assert await call("sql.query", path=str(shop), statement=f"SELECT length({bomb})") is None
    assert call.code == "bad_arguments"


async def test_only_the_granted_file_is_opened(call: Caller, shop: Path) -> None:
    for path in ("other.db", "shop.db-evil", "../../etc/passwd", "shop.db/../other.db"):
        assert await call("sql.query", path=f"{shop.parent}/{path}", statement="SELECT 1") is None
        assert call.code == "not_granted"
    wide = Caller([sqlite_tool()], [f"sql.query:{shop.parent}"])
    assert await wide("sql.query", path=f"{shop.parent}/link.db", statement="SELECT 1") is None
    assert wide.code == "not_granted"
    for name in ("a?mode=rwc", "new.db"):
        assert await wide("sql.query", path=f"{shop.parent}/{name}", statement="SELECT 1") is None
        assert wide.code == "not_found"
        assert not (shop.parent / name).exists()
    (shop.parent / "text.db").write_text("no database at all" * 100)
    text = f"{shop.parent}/text.db"
    assert await wide("sql.query", path=text, statement="SELECT * FROM sqlite_schema") is None
    assert wide.code == "bad_arguments"


async def test_a_database_that_is_written_meanwhile_is_read(call: Caller, shop: Path) -> None:
    with sqlite3.connect(shop) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO parcels VALUES (9999, 'late', NULL)")
        writer.commit()
        found = await call(
            "sql.query", path=str(shop), statement="SELECT owner FROM parcels WHERE id = 9999"
        )
        assert found["rows"] == [["late"]]
    writer.close()


async def test_a_file_that_is_exchanged_while_it_is_opened_is_not_asked(
    call: Caller, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite opens by name: between the look at the file and that, another may have its name."""
    connect = sqlite3.connect

    def exchanged(*args: Any, **options: Any) -> sqlite3.Connection:
        shop.unlink()
        shop.symlink_to(shop.parent / "other.db")
        connection: sqlite3.Connection = connect(*args, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", exchanged)
    assert await call("sql.query", path=str(shop), statement="SELECT 1") is None
    assert call.code == "not_granted"
