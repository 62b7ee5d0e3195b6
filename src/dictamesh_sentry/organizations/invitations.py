"""Invitations: a membership without a user, and the signed link that lets its holder take it.

The link is derived from the row and the installation's secret key, so a copy of the database alone accepts nothing,
and the link can be shown again to whoever may invite. A new nonce (resending, expiry) makes old links worthless.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from dictamesh_sentry.accounts.errors import ConflictError
from dictamesh_sentry.accounts.mail import send_mail
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.models import OrganizationMember

VALID_FOR = timedelta(days=30)
_SALT = "dictamesh_sentry.organizations.invitations"


def renew(member: OrganizationMember) -> None:
    """Give an unsaved or saved invitation a fresh nonce and expiry (the caller saves)."""
    member.invite_token = secrets.token_hex(16)
    member.invite_expires = timezone.now() + VALID_FOR


def invitation_token(member: OrganizationMember) -> str:
    """The text in the link of an open invitation."""
    return f"{member.pk}-{_signature(member)}"


def _signature(member: OrganizationMember) -> str:
    message = f"{member.pk}:{member.email}:{member.invite_token}"
    return salted_hmac(_SALT, message, algorithm="sha256").hexdigest()[:40]  # type: ignore[call-arg]


def invitation_url(member: OrganizationMember) -> str:
    """The absolute link that accepts the invitation."""
    return f"{get_settings().public_url}/accept/{invitation_token(member)}/"


def is_expired(member: OrganizationMember) -> bool:
    """Whether an invitation's time is over."""
    return member.user_id is None and (member.invite_expires is None or member.invite_expires <= timezone.now())


def find_invitation(token: str) -> OrganizationMember | None:
    """The open invitation of a link; None when it is wrong, taken, renewed or too old."""
    number, _, signature = token.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and signature.isascii()):
        return None
    member = OrganizationMember.objects.select_related("organization", "inviter").filter(pk=int(number)).first()
    if member is None or member.user_id is not None or not member.invite_token or is_expired(member):
        return None
    return member if constant_time_compare(signature, _signature(member)) else None


def accept_invitation(token: str, user: User) -> OrganizationMember:
    """Make ``user`` the member the invitation promised. The holder of the link decides with which account.

    Raises ValidationError for a link that is not valid and ConflictError when the user is a member already.
    """
    with transaction.atomic():
        member = find_invitation(token)
        if member is None:
            raise ValidationError("This invitation is not valid any more. Ask for a new one.")
        if OrganizationMember.objects.filter(organization=member.organization, user=user).exists():
            raise ConflictError("You are a member of this organization already.")
        taken = OrganizationMember.objects.filter(pk=member.pk, user=None, invite_token=member.invite_token).update(
            user=user, email="", invite_token="", invite_expires=None
        )
        if not taken:
            raise ValidationError("This invitation is not valid any more. Ask for a new one.")
        audit.record(user, member.organization, "member.accept-invite", user.email, {"role": member.role})
    member.refresh_from_db()
    return member


def mail_invitation(member: OrganizationMember) -> None:
    """Send the link, after the transaction commits."""
    inviter = member.inviter.display_name if member.inviter else "An administrator"
    name = member.organization.name
    days = VALID_FOR.days
    send_mail(
        member.email,
        f"Join {name} on DictaMesh Sentry",
        f"{inviter} invites you to the organization {name}.\n\nAccept here:\n\n  {invitation_url(member)}\n\n"
        f"The link works once, for {days} days. If you did not expect it, ignore this message.\n",
    )
