"""Mail to people: plain text, sent in the background after the transaction that caused it has committed."""

from __future__ import annotations

from django.db import transaction


def send_mail(to: str, subject: str, text: str) -> None:
    """Queue one plain-text mail when the current transaction commits. A slow mail server never slows the request.

    Line breaks in the subject become spaces: names of organizations and people are chosen by users.
    """
    subject = " ".join(subject.split())
    transaction.on_commit(lambda: _enqueue(to, subject, text))


def _enqueue(to: str, subject: str, text: str) -> None:
    # Imported late: the queue opens its file, which reading a user's account must not need.
    from dictamesh_sentry.accounts.tasks import deliver_mail

    deliver_mail(to, subject, text)
