"""Background work of accounts: sending mail, and forgetting old sign-in failures."""

from __future__ import annotations

import structlog
from django.core.mail import EmailMessage

from dictamesh_sentry.accounts.sign_in import forget_old_failures
from dictamesh_sentry.tasks.queue import periodic_task, task

log = structlog.get_logger(__name__)


@task(retries=10, retry_delay=120)
def deliver_mail(to: str, subject: str, text: str) -> None:
    """Hand one mail to the mail server; tried again for twenty minutes while the server does not take it."""
    try:
        EmailMessage(subject=subject, body=text, to=[to]).send()
    except (OSError, ValueError) as error:
        log.warning("mail not sent", to=to, subject=subject, error=str(error))
        raise


@periodic_task(minutes=60)
def clean_sign_in_failures() -> None:
    """Delete counters that no longer lock anybody."""
    forget_old_failures()
