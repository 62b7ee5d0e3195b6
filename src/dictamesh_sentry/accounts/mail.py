"""Mail to people: plain text, sent after the transaction that caused it has committed."""

from __future__ import annotations

import structlog
from django.core.mail import EmailMessage
from django.db import transaction

log = structlog.get_logger(__name__)


def send_mail(to: str, subject: str, text: str) -> None:
    """Send one plain-text mail when the current transaction commits. A failing mail server never fails the request.

    Line breaks in the subject become spaces: names of organizations and people are chosen by users.
    """
    subject = " ".join(subject.split())
    transaction.on_commit(lambda: _deliver(to, subject, text))


def _deliver(to: str, subject: str, text: str) -> None:
    try:
        EmailMessage(subject=subject, body=text, to=[to]).send()
    except (OSError, ValueError) as error:
        log.error("mail not sent", to=to, subject=subject, error=str(error))
