"""Platform identifiers a project may have, as SDK wizards and API clients write them."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError

_FORM = re.compile(r"[a-z][a-z0-9]*(?:[.+_-][a-z0-9]+)*", re.ASCII)
_LONGEST = 64


def validate_platform(platform: str) -> str:
    """The identifier itself: empty, or words like ``python-django`` and ``javascript-react``.

    Unknown ones are kept: API clients compare what they wrote with what they read, and new SDKs bring new names.
    """
    if platform and (len(platform) > _LONGEST or not _FORM.fullmatch(platform)):
        raise ValidationError({"platform": ["Invalid platform."]})
    return platform
