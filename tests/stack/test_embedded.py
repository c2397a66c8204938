"""The embedded servers by themselves: who may reach them, what stays, whose folder it is."""

import asyncio
import os
import shutil
import stat
from pathlib import Path

import dj_database_url
import psycopg
import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from config.stack.embedded import EmbeddedStack
from config.stack.errors import AlreadyRunning
from config.stack.places import Places, lasting_places

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's data lies outside its folder")


def setting(connection: psycopg.Connection[tuple[str]], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


def test_a_throwaway_stack_serves_and_leaves_nothing() -> None:
    with EmbeddedStack(throwaway=True) as stack:
        address = dj_database_url.parse(stack.database_url)
        with psycopg.connect(
            host=str(address["HOST"]), user=str(address["USER"]), dbname=str(address["NAME"])
        ) as connection:
            assert setting(connection, "fsync") == "off"
            assert setting(connection, "listen_addresses") == ""
            assert setting(connection, "max_locks_per_transaction") == "256"
        with redis.Redis.from_url(stack.redis_url) as client:
            assert client.ping()
        pids = stack.postgres.pid, stack.valkey.pid

    assert not stack.places.home.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_the_live_layer_talks_through_the_socket() -> None:
    with EmbeddedStack(throwaway=True) as stack:
        layer = RedisPubSubChannelLayer(hosts=[stack.redis_url])
        channel = await layer.new_channel()
        await layer.group_add("harbour", channel)
        await layer.group_send("harbour", {"type": "ship"})
        assert await asyncio.wait_for(layer.receive(channel), 5) == {"type": "ship"}
        await layer.flush()


def test_a_dead_test_runs_remains_are_swept_by_the_next_one() -> None:
    with EmbeddedStack(throwaway=True) as living:
        remains = living.places.home.with_name("wharf-throwaway-of-a-dead-one")
        remains.mkdir()
        (remains / "lock").write_text("1")

        with EmbeddedStack(throwaway=True):
            assert not remains.exists()
            assert living.places.home.exists()


def test_only_the_owner_may_enter_a_folder_that_lasts(tmp_path: Path) -> None:
    with EmbeddedStack(tmp_path / "var") as stack:
        for folder in (stack.places.data, stack.places.postgres_sockets, stack.places.valkey_sockets):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((stack.places.home / "postgres.log").stat().st_mode) == 0o600
        with pytest.raises(AlreadyRunning):
            EmbeddedStack(tmp_path / "var")
    shutil.rmtree(stack.places.home)


@as_root
def test_a_folder_thrown_away_begins_anew_and_the_old_data_are_kept_aside(tmp_path: Path) -> None:
    folder, roots = tmp_path / "var", tmp_path / "roots"
    home = settle(folder, roots).home
    shutil.rmtree(folder)

    assert settle(folder, roots).home == home
    assert not (home / "data").exists()
    assert [path for path in roots.glob(f"{home.name}.*") if (path / "data").exists()]


@as_root
def test_a_moved_folder_takes_its_data_along_and_a_copied_one_does_not(tmp_path: Path) -> None:
    folder, roots = tmp_path / "var", tmp_path / "roots"
    settle(folder, roots)

    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    assert not lasting_places(tmp_path / "copy", roots).data.exists()

    folder.rename(tmp_path / "moved")
    assert lasting_places(tmp_path / "moved", roots).data.exists()


def settle(folder: Path, roots: Path) -> Places:
    folder.mkdir(mode=0o700)
    places = lasting_places(folder, roots)
    if not any(roots.glob("*/data")):
        places.data.mkdir()
    return places
