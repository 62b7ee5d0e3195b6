"""Real servers the conformance suites run against, one of each for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kafka import Broker, running_broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """An Apache Kafka broker."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running
