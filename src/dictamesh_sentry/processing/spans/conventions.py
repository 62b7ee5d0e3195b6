"""What OpenTelemetry's and Sentry's naming conventions tell of a span: its operation, its system.

Sources: https://opentelemetry.io/docs/specs/semconv/ and https://getsentry.github.io/sentry-conventions/; of every
attribute the present name comes first, then the ones it had before.
"""

from __future__ import annotations

from collections.abc import Mapping

from dictamesh_sentry.processing.spans.span import AttributeValue, Span

Attributes = Mapping[str, AttributeValue]

URL = ("url.full", "http.url", "url")
METHOD = ("http.request.method", "http.method", "http.request_method", "method")
ADDRESS = ("server.address", "net.peer.name", "http.host", "net.sock.peer.name")
STATEMENT = ("db.query.text", "db.statement", "db.query")
COLLECTION = ("db.collection.name", "db.mongodb.collection", "db.sql.table", "db.cassandra.table")
OPERATION = ("db.operation.name", "db.operation")
DESTINATION = ("messaging.destination.name", "messaging.destination", "messaging.kafka.topic")
MESSAGE_OPERATION = ("messaging.operation.type", "messaging.operation.name", "messaging.operation")
CACHE_OPERATION = ("cache.operation",)
FILE_PATH = ("file.path", "file.name")
RPC_SERVICE = ("rpc.service",)
_KIND = ("sentry.kind", "otel.kind", "span.kind")
_DATABASE = ("db.system.name", "db.system")
_SYSTEMS = (
    *_DATABASE,
    "messaging.system",
    "rpc.system.name",
    "rpc.system",
    "cache.system",
    "gen_ai.provider.name",
    "gen_ai.system",
)
_SYSTEM_ALIASES = {
    "postgres": "postgresql", "postgis": "postgresql", "pg": "postgresql", "sqlite3": "sqlite", "mongo": "mongodb",
    "sqlserver": "mssql", "microsoft.sql_server": "mssql", "oracle.db": "oracle", "oracledb": "oracle",
    "aws_sqs": "aws_sqs", "sqs": "aws_sqs", "valkey": "redis", "dragonfly": "redis",
}  # fmt: skip
#: Parts of an operation or an origin (``auto.db.asyncpg``) that tell the system.
_TELLING = {
    "aiosqlite": "sqlite", "amqplib": "rabbitmq", "asyncpg": "postgresql", "bullmq": "bullmq", "celery": "celery",
    "clickhouse": "clickhouse", "clickhouse_driver": "clickhouse", "elasticsearch": "elasticsearch", "huey": "huey",
    "ioredis": "redis", "jedis": "redis", "kafka": "kafka", "kafkajs": "kafka", "lettuce": "redis",
    "mariadb": "mariadb", "memcached": "memcached", "mongodb": "mongodb", "mongo": "mongodb", "mongoose": "mongodb",
    "mssql": "mssql", "mysql": "mysql", "mysql2": "mysql", "pgx": "postgresql", "postgres": "postgresql",
    "postgresjs": "postgresql", "postgresql": "postgresql", "psycopg2": "postgresql", "pymongo": "mongodb",
    "pymysql": "mysql", "rabbitmq": "rabbitmq", "redis": "redis", "room": "sqlite", "rq": "rq", "sidekiq": "sidekiq",
    "sqlite": "sqlite", "sqlite3": "sqlite", "sqs": "aws_sqs", "tedious": "mssql",
}  # fmt: skip
_PUBLISHING = frozenset(("publish", "send", "create"))
_PROCESSING = frozenset(("process", "deliver", "consume"))


def first_text(attributes: Attributes, names: tuple[str, ...]) -> str:
    """The first of these attributes that is a text and not empty."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and value:
            return value
    return ""


def system_of(span: Span) -> str:
    """The database, broker or other system a span talks to, in its conventional name; empty when nothing tells."""
    told = first_text(span.attributes, _SYSTEMS)
    if told:
        name = told.strip().lower()[:64]
        return _SYSTEM_ALIASES.get(name, name)
    for text in (span.op, span.origin):
        for part in reversed(text.lower().split(".")):
            if part in _TELLING:
                return _TELLING[part]
    return ""


def is_server(span: Span) -> bool:
    """Whether the span answers somebody, judged by its operation, else by its kind."""
    if span.op.startswith("http.server"):
        return True
    return span.op == "http" and (span.is_segment or _kind(span.attributes) == "server")


def _kind(attributes: Attributes) -> str:
    kind = first_text(attributes, _KIND).lower()
    return kind.removeprefix("span_kind_")


def infer_op(span: Span) -> str:
    """The operation of a span that was sent without one; ``default`` when its attributes tell nothing."""
    attributes = span.attributes
    if not attributes:
        return "default"
    kind = _kind(attributes)
    for names, name_it in _RULES:
        for name in names:
            if name in attributes:
                return name_it(attributes, kind)
    return "default"


def _with_kind(base: str, kind: str) -> str:
    return f"{base}.{kind}" if kind in ("client", "server") else base


def _http(attributes: Attributes, kind: str) -> str:
    if kind not in ("client", "server"):
        kind = "server" if "http.route" in attributes else "client" if "url.full" in attributes else ""
    return _with_kind("http", kind)


def _messaging(attributes: Attributes, kind: str) -> str:
    done = first_text(attributes, MESSAGE_OPERATION).lower()
    if done in _PUBLISHING or (not done and kind == "producer"):
        return "queue.publish"
    if done in _PROCESSING or (not done and kind == "consumer"):
        return "queue.process"
    return f"queue.{done}" if done in ("receive", "settle") else "queue"


def _rpc(attributes: Attributes, kind: str) -> str:
    system = first_text(attributes, ("rpc.system.name", "rpc.system"))
    return _with_kind("grpc" if system == "grpc" else "rpc", kind)


def _cache(attributes: Attributes, _: str) -> str:
    done = first_text(attributes, CACHE_OPERATION).lower()
    return f"cache.{done}" if done.isalpha() else "cache.get" if "cache.hit" in attributes else "cache"


def _gen_ai(attributes: Attributes, _: str) -> str:
    done = first_text(attributes, ("gen_ai.operation.name",)).lower()
    return f"gen_ai.{done}" if done.replace("_", "").isalpha() and len(done) < 40 else "gen_ai"


def _graphql(attributes: Attributes, _: str) -> str:
    done = first_text(attributes, ("graphql.operation.type",)).lower()
    return f"graphql.{done}" if done in ("query", "mutation", "subscription") else "graphql"


#: What the presence of attributes makes of a span; the first rule that applies decides.
_RULES = (
    (("cache.key", "cache.hit"), _cache),
    ((*_DATABASE, *STATEMENT, "db.operation.name", "db.operation"), lambda *_: "db"),
    (("messaging.system", "messaging.destination.name"), _messaging),
    (("rpc.system.name", "rpc.system", "rpc.service"), _rpc),
    (("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system"), _gen_ai),
    (("graphql.operation.type", "graphql.document", "graphql.operation.name"), _graphql),
    (("http.request.method", "http.method", "http.route", "url.full", "http.url"), _http),
    (("faas.trigger", "faas.name", "faas.invoked_name", "code.function.name", "code.function"), lambda *_: "function"),
    (("process.command", "process.executable.name"), lambda *_: "subprocess"),
)
