"""``create-project``."""

from __future__ import annotations

from typing import Annotated

import typer

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json


def create_project(
    name: Annotated[str, typer.Argument(help="Name of the project; its slug is derived from it.")],
    organization: Annotated[str | None, typer.Option(help="Slug; may be left out when there is only one.")] = None,
    platform: Annotated[str, typer.Option(help="For example python, node, go.")] = "",
    team: Annotated[str | None, typer.Option(help="Slug of the team that owns it; default: the first team.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Create a project with a client key and print its DSN."""
    setup_django()
    from django.core.exceptions import ValidationError

    from dictamesh_sentry.organizations.access import NotVisibleError
    from dictamesh_sentry.organizations.queries import for_command
    from dictamesh_sentry.projects.actions import create_project as create
    from dictamesh_sentry.projects.dsn import public_dsn

    try:
        target, team_object = for_command(organization, team)
        project = create(None, target, name, platform=platform, teams=[team_object] if team_object else [])
    except NotVisibleError as error:
        fail(str(error))
    except ValidationError as error:
        fail("; ".join(error.messages))
    dsn = public_dsn(project.keys.get())
    if as_json:
        print_json({"id": str(project.pk), "slug": project.slug, "dsn": dsn})
    else:
        console.print(f"Created {target.slug}/{project.slug}\nDSN  {dsn}", markup=False, soft_wrap=True)
