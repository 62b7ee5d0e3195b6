"""Real servers the conformance suites run against, one of each for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache

import pytest

from tests.support.kafka import Broker, running_broker
from tests.support.redis import running_cluster, running_redis, running_sentinel


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """An Apache Kafka broker."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def redis_environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, str]]]:
    """The settings that reach a Redis of a mode; each is started when first asked for."""
    with ExitStack() as stack:

        @lru_cache
        def environment(mode: str) -> dict[str, str]:
            folder = tmp_path_factory.mktemp(f"redis-{mode}")
            if mode == "sentinel":
                return stack.enter_context(running_sentinel(folder))
            if mode == "cluster":
                return stack.enter_context(running_cluster(folder))
            return stack.enter_context(running_redis(folder)).environment

        yield environment
