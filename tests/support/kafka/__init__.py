"""An Apache Kafka broker for tests: its artifacts from Maven Central, one process in KRaft mode, its own folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.requirements import require
from tests.support.server import free_port

HERE = Path(__file__).resolve().parent
LIBRARIES = HERE.parents[2] / ".cache" / "kafka"
_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"


def libraries() -> Path:
    """The broker's jars, fetched once."""
    stamp = LIBRARIES / f"complete-{(HERE / 'pom.xml').stat().st_mtime_ns}"
    if not stamp.exists():
        shutil.rmtree(LIBRARIES, ignore_errors=True)
        command = [require("mvn"), "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
        subprocess.run([*command, f"-DoutputDirectory={LIBRARIES}"], check=True, timeout=300)
        stamp.touch()
    return LIBRARIES


@dataclass
class Broker:
    """A running broker. ``stop`` and ``start`` keep its data."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    secure: Path | None = None
    secure_port: int = 0
    password: str = "test-password"

    @property
    def secure_hosts(self) -> str:
        """The listener with TLS and a login (SASL PLAIN, user ``sentry``), when there is one."""
        return f"127.0.0.1:{self.secure_port}"

    @property
    def hosts(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        controller = free_port()
        listeners = f"PLAINTEXT://{self.hosts},CONTROLLER://127.0.0.1:{controller}"
        advertised, extra = f"PLAINTEXT://{self.hosts}", ""
        if self.secure:
            self.secure_port = free_port()
            listeners += f",SASL_SSL://{self.secure_hosts}"
            advertised += f",SASL_SSL://{self.secure_hosts}"
            extra = (
                f"ssl.keystore.type=PEM\nssl.keystore.location={self.secure}\nsasl.enabled.mechanisms=PLAIN\n"
                "listener.name.sasl_ssl.plain.sasl.jaas.config="
                "org.apache.kafka.common.security.plain.PlainLoginModule required "
                f'user_sentry="{self.password}";\n'
            )
        (self.folder / "server.properties").write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners={listeners}\n"
            f"advertised.listeners={advertised}\n{extra}controller.listener.names=CONTROLLER\n"
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL\n"
            f"log.dirs={self.folder}/data\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
            "group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n"
        )
        self._java("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c").wait(timeout=60)

    def start(self) -> None:
        self.process = self._java("kafka.Kafka")
        client = AdminClient({"bootstrap.servers": self.hosts, "log_level": 0})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                client.list_topics(timeout=2)
            except KafkaException:
                assert self.process.poll() is None, (self.folder / "broker.log").read_text()[-4000:]
            else:
                return
        raise AssertionError("the broker did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        heap = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        with (self.folder / "broker.log").open("ab") as log:
            return subprocess.Popen(
                [require("java"), *heap, "-cp", f"{libraries()}/*", main, *arguments, str(self.folder / "server.properties")],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip


@contextmanager
def running_broker(folder: Path, secure: Path | None = None) -> Iterator[Broker]:
    """A broker on a free port until the block ends; ``secure``: PEM file of a key and certificate for a listener with
    TLS and a login."""
    broker = Broker(folder, free_port(), secure=secure)
    broker.prepare()
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
