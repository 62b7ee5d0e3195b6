"""``createuser`` and ``create-token``."""

from __future__ import annotations

from typing import Annotated

import typer

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json


def createuser(
    email: Annotated[str, typer.Option(help="E-mail address, which is also the login.", prompt=True)],
    password: Annotated[str | None, typer.Option(help="Password; asked for when left out.")] = None,
    superuser: Annotated[
        bool, typer.Option("--superuser/--no-superuser", help="May administer the installation.")
    ] = False,
    organization: Annotated[str | None, typer.Option(help="Slug of the organization to join.")] = None,
    role: Annotated[str, typer.Option(help="Role in that organization: member, admin, manager, owner.")] = "member",
    no_input: Annotated[
        bool, typer.Option("--no-input", "--noinput", help="Never ask; a missing password is an error.")
    ] = False,
    force_update: Annotated[bool, typer.Option("--force-update", help="Update the account when it exists.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Create an account, optionally as a member of an organization."""
    if password is None:
        if no_input:
            fail("--no-input needs --password")
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    setup_django()
    from django.core.exceptions import ValidationError

    from dictamesh_sentry.accounts.actions import create_or_update_user
    from dictamesh_sentry.organizations.access import NotVisibleError
    from dictamesh_sentry.organizations.actions import add_member_by_slug

    try:
        user, created = create_or_update_user(email, password, is_superuser=superuser, may_update=force_update)
        if organization:
            add_member_by_slug(user, organization, role)
    except ValidationError as error:
        fail("; ".join(error.messages))
    except NotVisibleError:
        fail(f"no organization with the slug {organization!r}")
    if as_json:
        print_json({"id": str(user.pk), "email": user.email, "created": created})
    else:
        console.print(f"{'Created' if created else 'Updated'} {user.email}.")


def create_token(
    user: Annotated[str, typer.Option("--user", help="E-mail address of the token's owner.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="Scope, repeatable; default: all a user token may have.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    as_json: bool = JSON_OPTION,
) -> None:
    """Create an API token. It is printed once and cannot be shown again."""
    setup_django()
    from django.core.exceptions import ValidationError

    from dictamesh_sentry.accounts.actions import create_token as create
    from dictamesh_sentry.accounts.queries import find_user
    from dictamesh_sentry.accounts.tokens import USER_TOKEN_SCOPES

    owner = find_user(user)
    if owner is None:
        fail(f"no account with the address {user!r}; create one with `dictamesh-sentry createuser`")
    try:
        _token, text = create(owner, name, list(scope or USER_TOKEN_SCOPES))
    except ValidationError as error:
        fail("; ".join(error.messages))
    if as_json:
        print_json({"token": text})
    else:
        console.print(text, markup=False, soft_wrap=True)
