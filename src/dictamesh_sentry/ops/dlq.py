"""Dead letters: messages that failed in processing, kept until someone replays or drops them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
from django.utils import timezone

from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, decode_ingest
from dictamesh_sentry.streams.factory import get_producer

_SHOWN_BYTES = 2000
_BATCH = 100


def list_letters(limit: int = 50, *, project_id: int | None = None) -> list[DeadLetter]:
    """The newest dead letters that were not replayed, without their payloads."""
    letters = DeadLetter.objects.filter(date_replayed__isnull=True).defer("payload").order_by("-pk")
    if project_id is not None:
        letters = letters.filter(project_id=project_id)
    return list(letters[:limit])


def count_letters() -> int:
    """How many dead letters wait."""
    return DeadLetter.objects.filter(date_replayed__isnull=True).count()


def get_letter(pk: int) -> DeadLetter | None:
    """One dead letter, replayed or not."""
    return DeadLetter.objects.filter(pk=pk).first()


def describe(letter: DeadLetter, *, with_payload: bool = False) -> dict[str, Any]:
    """What is known of a dead letter, as JSON; the payload's first bytes in base64 when asked for."""
    described: dict[str, Any] = {
        "id": letter.pk,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "project": letter.project_id,
        "stage": letter.stage,
        "reason": letter.reason,
        "created": letter.date_created.isoformat(),
        "replayed": letter.date_replayed.isoformat() if letter.date_replayed else None,
    }
    if with_payload:
        payload = bytes(letter.payload)
        described["size"] = len(payload)
        described["payload"] = base64.b64encode(payload[:_SHOWN_BYTES]).decode()
    return described


def replay(pks: Sequence[int] | None) -> int:
    """Append dead letters (all of them for None) to their topic again; how many. No event counts twice by that."""
    waiting = DeadLetter.objects.filter(date_replayed__isnull=True)
    if pks is not None:
        waiting = waiting.filter(pk__in=pks)
    done = 0
    for letter in waiting.order_by("pk").iterator(_BATCH):
        payload = bytes(letter.payload)
        get_producer().append(letter.topic, [(_key(letter.topic, payload), payload)])
        letter.date_replayed = timezone.now()
        letter.save(update_fields=["date_replayed"])
        done += 1
    return done


def _key(topic: str, payload: bytes) -> bytes:
    """The key the edge used, so that a replay meets its duplicates in the same partition."""
    if topic != TOPIC_INGEST:
        return b""
    try:
        return decode_ingest(payload).event_id.encode()
    except msgspec.MsgspecError:
        return b""


def drop(pks: Sequence[int]) -> int:
    """Delete dead letters for good; how many."""
    deleted, _ = DeadLetter.objects.filter(pk__in=pks).delete()
    return deleted
