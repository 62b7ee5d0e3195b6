"""The directory of client keys: fresh within seconds, never waiting while in use, safe against floods."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from dictamesh_sentry.edge import keys as edge_keys
from dictamesh_sentry.edge.key_memory import KeyMemory
from dictamesh_sentry.edge.keys import EdgeKey, KeyDirectory, KeysUnavailableError, load_edge_keys
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.quotas.limiter import Rule
from tests.edge.conftest import KEY, client_key


class Store:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.known: dict[str, EdgeKey] = {KEY: EdgeKey(client_key(KEY), (), ())}
        self.down = False

    def load(self, public_keys: Collection[str]) -> dict[str, EdgeKey]:
        self.calls.append(sorted(public_keys))
        if self.down:
            raise OSError("database is down")
        return {name: self.known[name] for name in public_keys if name in self.known}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def _settle(directory: KeyDirectory) -> None:
    while directory._loading is not None and not directory._loading.done():
        await asyncio.sleep(0.001)


def test_a_key_is_loaded_once_then_answered_from_memory() -> None:
    async def scenario() -> None:
        store, clock = Store(), Clock()
        directory = KeyDirectory(store.load, clock)
        found = await asyncio.gather(*(directory.get(KEY) for _ in range(20)))
        assert {item.key.public_key for item in found if item} == {KEY}
        assert store.calls == [[KEY]]
        assert directory.peek(KEY) is not None
        await _settle(directory)
        assert store.calls == [[KEY]]
        directory.close()

    asyncio.run(scenario())


def test_a_key_in_use_is_refreshed_in_the_background() -> None:
    async def scenario() -> None:
        store, clock = Store(), Clock()
        directory = KeyDirectory(store.load, clock)
        await directory.get(KEY)
        store.known[KEY] = EdgeKey(client_key(KEY, is_active=False), (), ())
        clock.now += 3
        stale = directory.peek(KEY)
        assert stale is not None
        assert stale.key.is_active  # answered at once, with the old state
        await _settle(directory)
        fresh = directory.peek(KEY)
        assert fresh is not None
        assert not fresh.key.is_active
        directory.close()

    asyncio.run(scenario())


def test_a_change_acts_within_five_seconds_even_after_a_pause() -> None:
    async def scenario() -> None:
        store, clock = Store(), Clock()
        directory = KeyDirectory(store.load, clock)
        await directory.get(KEY)
        del store.known[KEY]
        clock.now += 4.5
        assert await directory.get(KEY) is None
        directory.close()

    asyncio.run(scenario())
    assert edge_keys.STALE_SECONDS < 5


def test_unknown_keys_are_remembered_for_a_moment_and_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_keys, "_MAX_UNKNOWN", 50)

    async def scenario() -> None:
        store, clock = Store(), Clock()
        directory = KeyDirectory(store.load, clock)
        assert await directory.get("b" * 32) is None
        assert await directory.get("b" * 32) is None
        assert len(store.calls) == 1
        store.known["b" * 32] = EdgeKey(client_key("b" * 32), (), ())
        clock.now += 4.5
        assert await directory.get("b" * 32) is not None
        await asyncio.gather(*(directory.get(f"{number:032x}") for number in range(200)))
        assert len(directory._unknown) <= 50
        assert len(store.calls) < 20  # asked for together, loaded together
        directory.close()

    asyncio.run(scenario())


def test_a_flood_of_unknown_keys_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_keys, "_MAX_PENDING", 5)

    async def scenario() -> None:
        directory = KeyDirectory(Store().load, Clock())
        answers = await asyncio.gather(
            *(directory.get(f"{number:032x}") for number in range(10)), return_exceptions=True
        )
        assert sum(isinstance(answer, KeysUnavailableError) for answer in answers) == 5
        directory.close()

    asyncio.run(scenario())


def test_known_keys_survive_an_outage_of_the_store() -> None:
    async def scenario() -> None:
        store, clock = Store(), Clock()
        directory = KeyDirectory(store.load, clock)
        await directory.get(KEY)
        store.down = True
        clock.now += 600
        found = await directory.get(KEY)
        assert found is not None
        with pytest.raises(KeysUnavailableError):
            await directory.get("c" * 32)
        clock.now += edge_keys.OUTAGE_SECONDS
        with pytest.raises(KeysUnavailableError):
            await directory.get(KEY)
        directory.close()

    asyncio.run(scenario())


@pytest.mark.django_db
def test_limits_of_key_project_and_quotas_are_loaded_together(django_assert_num_queries) -> None:
    from dictamesh_sentry.organizations.models import Organization
    from dictamesh_sentry.projects.models import Project, ProjectKey
    from dictamesh_sentry.protocol.categories import DataCategory
    from dictamesh_sentry.quotas.models import Quota

    organization = Organization.objects.create(slug="o", name="O")
    options = {"rate_limit_count": 50, "rate_limit_window": 60, "allowed_origins": ["https://a.example"]}
    project = Project.objects.create(organization=organization, slug="p", name="P", options=options)
    other = Project.objects.create(organization=organization, slug="q", name="Q")
    key = ProjectKey.objects.create(project=project, rate_limit_count=5, rate_limit_window=10)
    other_key = ProjectKey.objects.create(project=other, is_active=False)
    Quota.objects.create(organization=organization, categories=["error"], limit=100, window=3600)
    Quota.objects.create(organization=organization, project=project, categories=[], limit=9, window=60)
    with django_assert_num_queries(2):
        found = load_edge_keys([key.public_key, other_key.public_key, "0" * 32])
    assert set(found) == {key.public_key, other_key.public_key}
    loaded = found[key.public_key]
    assert loaded.key.allowed_origins == ("https://a.example",)
    assert {(rule.scope, rule.limit, rule.window, rule.categories) for rule in loaded.rules} == {
        ("key", 5, 10, frozenset()),
        ("project", 50, 60, frozenset()),
        ("project", 9, 60, frozenset()),
        ("organization", 100, 3600, frozenset({DataCategory.ERROR})),
    }
    assert len(loaded.blanket) == 3
    assert not found[other_key.public_key].key.is_active
    assert [rule.scope for rule in found[other_key.public_key].rules] == ["organization"]


class TestMemory:
    """What a web role remembers on its disk."""

    def _remembering(self, path: Path, wall: Clock, store: Store | None = None) -> KeyDirectory:
        return KeyDirectory((store or Store()).load, Clock(), KeyMemory(path, wall))

    async def _used(self, path: Path, wall: Clock, store: Store | None = None) -> None:
        directory = self._remembering(path, wall, store)
        await directory.get(KEY)
        await _settle(directory)
        directory._executor.shutdown(wait=True)

    def test_a_role_that_starts_while_the_store_is_down_knows_the_keys_in_use(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            wall, store = Clock(), Store()
            rule = Rule("k7", 5, 60, "key", "key_limit", frozenset({DataCategory.ERROR}))
            store.known[KEY] = EdgeKey(client_key(KEY), (rule,), ())
            await self._used(tmp_path / "keys.bin", wall, store)
            wall.now += 600
            store.down = True
            directory = self._remembering(tmp_path / "keys.bin", wall, store)
            assert await directory.get(KEY) == store.known[KEY]
            with pytest.raises(KeysUnavailableError):
                await directory.get("f" * 32)
            directory.close()

        asyncio.run(scenario())

    def test_with_the_store_up_the_store_decides(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            wall, store = Clock(), Store()
            await self._used(tmp_path / "keys.bin", wall)
            store.known[KEY] = EdgeKey(client_key(KEY, is_active=False), (), ())
            directory = self._remembering(tmp_path / "keys.bin", wall, store)
            found = await directory.get(KEY)
            assert found is not None
            assert not found.key.is_active
            directory.close()

        asyncio.run(scenario())

    def test_an_hour_later_it_is_forgotten(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            wall, store = Clock(), Store()
            await self._used(tmp_path / "keys.bin", wall)
            wall.now += edge_keys.OUTAGE_SECONDS + 1
            store.down = True
            directory = self._remembering(tmp_path / "keys.bin", wall, store)
            with pytest.raises(KeysUnavailableError):
                await directory.get(KEY)
            directory.close()

        asyncio.run(scenario())

    def test_the_file_is_private_and_a_broken_one_is_ignored(self, tmp_path: Path) -> None:
        path = tmp_path / "run" / "keys.bin"
        asyncio.run(self._used(path, Clock()))
        assert path.stat().st_mode & 0o077 == 0
        assert [file.name for file in path.parent.iterdir()] == ["keys.bin"]
        path.write_bytes(b"\x93garbage")
        assert KeyMemory(path).load() == {}
        path.unlink()
        assert KeyMemory(path).load() == {}
        KeyMemory(tmp_path / "keys.bin" / "no" / "folder").save({})
