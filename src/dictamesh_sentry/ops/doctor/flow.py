"""What flows through: the stream and its readers, dead letters, the periodic tasks, the first password."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.ops.dlq import count_letters
from dictamesh_sentry.ops.doctor.findings import Found, failure, ok, skipped, warning
from dictamesh_sentry.ops.doctor.machine import product_runs
from dictamesh_sentry.processing.models import PeriodicRun
from dictamesh_sentry.protocol.messages import TOPICS
from dictamesh_sentry.streams.factory import kafka_connection, spooled_messages, stream_lags

_STAGES = {"ingest-events": "processing", "outcomes": "outcomes", "events": "post-processing"}
_LATE_SECONDS = 60.0
_STUCK_SECONDS = 900.0
_CRON_SILENCE = timedelta(minutes=5)
_KAFKA_SECONDS = 5.0


def stream(settings: Settings) -> Iterator[Found]:
    """The brokers, or the local log."""
    if not settings.kafka_hosts:
        yield ok("the local log, one file a topic")
        return
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        known = AdminClient(kafka_connection(settings)).list_topics(timeout=_KAFKA_SECONDS)
    except KafkaException as error:
        yield failure(
            f"{settings.kafka_hosts} does not answer: {error.args[0]}",
            "Is the broker running, and does it advertise an address that is reachable from here? Events are spooled "
            "to the disk of the web role until then.",
        )
        return
    brokers = len(known.brokers)
    yield ok(f"{brokers} {'broker' if brokers == 1 else 'brokers'}")
    if settings.kafka_replication_factor > brokers:
        yield failure(
            f"SENTRY_KAFKA_REPLICATION_FACTOR is {settings.kafka_replication_factor}, more than the brokers there are",
            "Lower it, or add brokers; topics cannot be created like that.",
        )
    yield from _topics(settings, known, brokers)
    spooled = spooled_messages()
    if spooled:
        yield warning(
            f"{spooled} messages are spooled on this machine's disk",
            "They are sent by the web role once the brokers answer; keep its data folder.",
        )


def _topics(settings: Settings, known: object, brokers: int) -> Iterator[Found]:
    topics = known.topics  # type: ignore[attr-defined]
    names = [settings.kafka_topic_prefix + topic for topic in TOPICS]
    missing = [name for name in names if name not in topics]
    if missing:
        yield failure(
            f"topics are missing: {', '.join(missing)}", "dictamesh-sentry upgrade --noinput --create-kafka-topics"
        )
    for name in names:
        replicas = [len(partition.replicas) for partition in topics[name].partitions.values()] if name in topics else []
        if replicas and min(replicas) == 1 and brokers > 1:
            yield warning(
                f"topic {name} is kept by one broker only, of {brokers}",
                "Raise its replication with kafka-reassign-partitions (rpk topic alter-config for Redpanda).",
            )


def lag(settings: Settings) -> Iterator[Found]:
    """How far behind each stage is."""
    quiet = True
    for topic in TOPICS:
        for group, (count, seconds) in sorted(stream_lags(topic).items()):
            quiet = False
            text = f"{_STAGES[topic]} ({group}): {count:,} messages wait, the oldest for {seconds:,.0f} s"
            advice = (
                "Is the worker (or the post-process-forwarder) running? Its log says what it waits for. If it is "
                "busy, run more of them or raise --concurrency."
            )
            if seconds >= _STUCK_SECONDS:
                yield failure(text, advice)
            elif seconds >= _LATE_SECONDS:
                yield warning(text, advice)
            else:
                yield ok(text)
    if quiet:
        yield (skipped if not product_runs(settings) else ok)("nothing was ever sent, or no worker ever ran")


def dead_letters(_settings: Settings) -> Iterator[Found]:
    """Messages nobody could process."""
    waiting = count_letters()
    if waiting:
        yield warning(
            f"{waiting} messages could not be processed",
            "dictamesh-sentry dlq list shows why; dlq replay, once the cause is gone, or dlq drop.",
        )
    else:
        yield ok("none")


def cron(settings: Settings) -> Iterator[Found]:
    """Whether periodic tasks are enqueued."""
    last = PeriodicRun.objects.aggregate(last=Max("last_enqueued"))["last"]
    embedded_and_off = not settings.postgres_host and not product_runs(settings)
    if last is None:
        yield (skipped("the product is not running") if embedded_and_off else failure("has never run", _CRON_ADVICE))
        return
    age = timezone.now() - last
    text = f"enqueued its last task {age.total_seconds():,.0f} s ago"
    if age < _CRON_SILENCE:
        yield ok(text)
    elif embedded_and_off:
        yield skipped(f"the product is not running; {text}")
    else:
        yield failure(text, _CRON_ADVICE)


_CRON_ADVICE = "Start `dictamesh-sentry run cron`; without it nothing expires and archived issues do not come back."


def first_password(settings: Settings) -> Iterator[Found]:
    """The well-known first password must not stay."""
    found = User.objects.filter(has_default_password=True, is_active=True).values_list("email", flat=True)[:3]
    for email in found:
        yield warning(
            f"{email} still has the first password, which everybody knows",
            f"Sign in at {settings.public_url} and change it, or dictamesh-sentry createuser --email {email} "
            "--force-update.",
        )
    if not found:
        yield ok("changed")
