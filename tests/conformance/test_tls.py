"""Every backend over TLS, with a login: reached with the right authority, refused with a wrong one."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dictamesh_sentry.config.load import build_settings, get_settings
from dictamesh_sentry.eventstore.client import ClickHouseStore
from dictamesh_sentry.eventstore.interface import EventStore, StoreUnavailableError
from dictamesh_sentry.redis_client import RedisError, build_redis
from dictamesh_sentry.streams import factory, kafka, kafka_admin
from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.streams.kafka_consumer import KafkaConsumer
from tests.support.certificates import Certificates, make_certificates
from tests.support.kafka import running_broker
from tests.support.postgres import running_postgres
from tests.support.redis import running_redis
from tests.support.server import free_port
from tests.support.topology import clean_environment

_ASK_POSTGRES = """
from dictamesh_sentry.cli.django_setup import setup_django
setup_django()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    print(cursor.fetchone()[0])
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_redis(tmp_path: Path, certificates: Certificates) -> None:
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificates.certificate)]
    options += ["--tls-key-file", str(certificates.key), "--tls-ca-cert-file", str(certificates.authority)]
    with running_redis(tmp_path, *options, "--tls-auth-clients", "no") as server:
        environ = server.environment | {
            "SENTRY_REDIS_PORT": str(port),
            "SENTRY_REDIS_TLS": "true",
            "SENTRY_REDIS_CA_CERT": str(certificates.authority),
        }
        assert build_redis(build_settings(environ, {})).ping()
        wrong = environ | {"SENTRY_REDIS_CA_CERT": str(certificates.stranger)}
        with pytest.raises(RedisError):
            build_redis(build_settings(wrong, {})).ping()
        with pytest.raises(RedisError):
            build_redis(build_settings(environ | {"SENTRY_REDIS_PASSWORD": "wrong"}, {})).ping()


def test_kafka(tmp_path: Path, certificates: Certificates) -> None:
    keystore = tmp_path / "broker.pem"
    keystore.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
    with running_broker(tmp_path, secure=keystore) as broker:
        environ = {
            "SENTRY_KAFKA_HOSTS": broker.secure_hosts,
            "SENTRY_KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "SENTRY_KAFKA_SASL_MECHANISM": "PLAIN",
            "SENTRY_KAFKA_SASL_USERNAME": "sentry",
            "SENTRY_KAFKA_SASL_PASSWORD": broker.password,
            "SENTRY_KAFKA_CA_CERT": str(certificates.authority),
        }
        connection = factory.kafka_connection(build_settings(environ, {}))
        kafka_admin.ensure_topics(
            connection, ["t"], partitions=2, replication=1, retention_seconds=3600, retention_bytes=-1
        )
        producer = kafka.KafkaProducer(connection, compression="zstd")
        producer.append("t", [(b"k", b"v" * 1000)])
        producer.close()
        consumer = KafkaConsumer(connection, "t", "g")
        messages = [message for _ in range(30) for message in consumer.poll(10, 0.5)][:1]
        assert [message.value for message in messages] == [b"v" * 1000]
        consumer.close()
        for change in (
            {"SENTRY_KAFKA_SASL_PASSWORD": "wrong"},
            {"SENTRY_KAFKA_CA_CERT": str(certificates.stranger)},
        ):
            refused = kafka.KafkaProducer(factory.kafka_connection(build_settings(environ | change, {})), timeout=2)
            with pytest.raises(StreamUnavailableError):
                refused.append("t", [(b"k", b"v")])
            refused.close()


def test_postgresql(tmp_path: Path, certificates: Certificates) -> None:
    with running_postgres() as server:
        server.kill()
        for name, source in (("server.crt", certificates.certificate), ("server.key", certificates.key)):
            target = server.folder / "data" / name
            shutil.copy(source, target)
            target.chmod(0o600)
            shutil.chown(target, *([(server.folder / "data").owner()] * 2))
        with (server.folder / "data" / "postgresql.auto.conf").open("a") as conf:
            conf.write("ssl = on\n")
        server.start()
        environ = clean_environment() | server.environment
        environ |= {"SENTRY_DATA_DIR": str(tmp_path / "own"), "SENTRY_DB_SSLMODE": "verify-full"}
        trusting = environ | {"SENTRY_DB_CA_CERT": str(certificates.authority)}
        command = [sys.executable, "-c", _ASK_POSTGRES]
        done = subprocess.run(command, env=trusting, capture_output=True, text=True, check=False)
        assert done.stdout == "True\n", done.stderr
        doubting = environ | {"SENTRY_DB_CA_CERT": str(certificates.stranger)}
        done = subprocess.run(command, env=doubting, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "certificate verify failed" in done.stderr


def test_clickhouse(event_store: EventStore, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    from dictamesh_sentry.eventstore.client import current_address

    address = current_address()
    with _tls_in_front_of(address.port, certificates) as port:
        environ = {
            "SENTRY_CLICKHOUSE_HOST": "127.0.0.1",
            "SENTRY_CLICKHOUSE_PORT": str(port),
            "SENTRY_CLICKHOUSE_USER": address.user,
            "SENTRY_CLICKHOUSE_PASSWORD": address.password,
            "SENTRY_CLICKHOUSE_SECURE": "true",
            "SENTRY_CLICKHOUSE_CA_CERT": str(certificates.authority),
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        try:
            store = ClickHouseStore()
            assert store.rows("SELECT 17")[0][0] == 17
            store.close()
            monkeypatch.setenv("SENTRY_CLICKHOUSE_CA_CERT", str(certificates.stranger))
            get_settings.cache_clear()
            with pytest.raises(StoreUnavailableError):
                ClickHouseStore().rows("SELECT 17")
        finally:
            monkeypatch.undo()
            get_settings.cache_clear()


@contextmanager
def _tls_in_front_of(port: int, certificates: Certificates) -> Iterator[int]:
    """A proxy that ends TLS, as one stands before many ClickHouse servers; the engine's own door has none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    loop = asyncio.new_event_loop()
    listening = free_port()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near_reader, near_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, near_writer), pump(near_reader, writer))

    loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", listening, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield listening
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def test_openssl_accepts_the_test_certificates(certificates: Certificates) -> None:
    command = ["openssl", "verify", "-CAfile", str(certificates.authority), str(certificates.certificate)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
