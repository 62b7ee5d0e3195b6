"""One set of stores and roles for the tests of the scaled topology."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.support.server import free_port
from tests.support.topology import Role, Topology, running_stores, wait_for


@dataclass
class Installation:
    """A topology with roles, and what a client needs to use it."""

    topology: Topology
    edges: list[Role]
    ports: list[int]
    workers: list[Role]
    forwarders: list[Role]
    cron: Role
    dsn: str
    organization: str
    project: str

    def envelope_url(self, edge: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[edge]}/api{urlsplit(self.dsn).path}/envelope/"

    @property
    def public_key(self) -> str:
        return urlsplit(self.dsn).username or ""


def install(topology: Topology) -> Installation:
    """Two of every role but cron, as replicas would run."""
    topology.command("upgrade", "--noinput", "--create-kafka-topics")
    facts = json.loads(topology.command("init", "--json").stdout)
    ports = [free_port() for _ in range(2)]
    edges = [topology.role(f"web-{n}", "run", "web", "--port", str(port)) for n, port in enumerate(ports)]
    workers = [topology.role(f"worker-{n}", "run", "worker") for n in range(2)]
    forwarders = [topology.role(f"forwarder-{n}", "run", "post-process-forwarder") for n in range(2)]
    cron = topology.role("cron", "run", "cron")
    for role in (*edges, *workers, *forwarders, cron):
        role.start()
    for role, port in zip(edges, ports, strict=True):
        wait_for(f"http://127.0.0.1:{port}/_health/?full", role, 90)
    return Installation(
        topology, edges, ports, workers, forwarders, cron, facts["dsn"], facts["organization"], facts["project"]
    )


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_stores(tmp_path_factory.mktemp("scaled")) as topology:
        yield install(topology)
