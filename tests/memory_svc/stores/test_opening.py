import sys
from pathlib import Path

import pytest

from pepperpy_memory_svc.stores.memory import MemoryStore
from pepperpy_memory_svc.stores.opening import open_store
from pepperpy_memory_svc.stores.postgres import PostgresStore
from pepperpy_memory_svc.stores.redis import RedisStore
from pepperpy_schemas.errors import BadConfig
from tests.memory_svc.stores.making import NOW, entry, filled, fresh, server_folder


async def test_an_address_names_the_store(postgres: str) -> None:
    async with open_store("memory:") as store:
        assert isinstance(store, MemoryStore)
    async with open_store(postgres) as store:
        assert isinstance(store, PostgresStore)
        await store.ping()


async def test_a_redis_is_named_with_its_prefix(redis: str) -> None:
    async with open_store(f"{redis}?prefix={fresh()}") as store:
        assert isinstance(store, RedisStore)
        await store.ping()


async def test_an_embedded_store_keeps_what_was_put() -> None:
    with server_folder() as folder:
        async with open_store(f"embedded:{folder}") as store:
            await (await filled(store)).put(entry())
        async with open_store(f"embedded:{folder}") as store:
            assert set(await store.get("ours", ["a"], now=NOW)) == {"a"}


async def test_an_embedded_store_without_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat()
    with pytest.raises(BadConfig) as caught:
        async with open_store("embedded:"):
            pass
    assert "embedded: and a folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    assert (tmp_path.stat().st_mode, tmp_path.stat().st_uid) == (before.st_mode, before.st_uid)


@pytest.mark.parametrize("address", ["", "mysql://user:secret@x", "oracle:x"])
async def test_an_unknown_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(BadConfig, match="no store") as caught:
        async with open_store(address):
            pass
    assert "secret" not in str(caught.value.info())


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.memory")
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.exact", raising=False)
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.namespaces", raising=False)
    monkeypatch.delitem(sys.modules, "pepperpy_memory_svc.stores.generating", raising=False)
    with pytest.raises(BadConfig, match="numpy") as caught:
        async with open_store("memory:"):
            pass
    assert "pip install" in caught.value.hint
