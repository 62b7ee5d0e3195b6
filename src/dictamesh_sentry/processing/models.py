"""Where consumers keep their place, and messages nobody could process."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class StreamOffset(models.Model):
    """The next offset a consumer group has to process.

    Kept in the metadata store, not in the stream, so that it is committed in one transaction with the counters
    the batch changed: replaying a batch after a crash changes nothing.
    """

    consumer_group = models.CharField(max_length=64)
    topic = models.CharField(max_length=64)
    partition = models.PositiveIntegerField(default=0)
    next_offset = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "stream_offset"
        constraints = [
            models.UniqueConstraint(fields=["consumer_group", "topic", "partition"], name="stream_offset_once")
        ]

    def __str__(self) -> str:
        return f"{self.consumer_group}/{self.topic}/{self.partition}"


class DeadLetter(models.Model):
    """A message that failed in processing, kept with its reason until someone replays or drops it."""

    topic = models.CharField(max_length=64)
    partition = models.PositiveIntegerField(default=0)
    offset = models.PositiveBigIntegerField()
    project_id = models.BigIntegerField(null=True, blank=True)
    stage = models.CharField(max_length=64)
    reason = models.TextField()
    payload = models.BinaryField()
    date_created = models.DateTimeField(default=timezone.now)
    date_replayed = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "dead_letter"
        constraints = [models.UniqueConstraint(fields=["topic", "partition", "offset"], name="dead_letter_once")]

    def __str__(self) -> str:
        return f"{self.topic}/{self.offset}: {self.reason[:60]}"


class PeriodicRun(models.Model):
    """When a periodic task was last enqueued."""

    name = models.CharField(max_length=200, unique=True)
    last_enqueued = models.DateTimeField()

    class Meta:
        db_table = "periodic_run"

    def __str__(self) -> str:
        return self.name
