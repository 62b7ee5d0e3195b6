"""The built front-end files: logical name → URL of the hashed file."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path

from django.conf import settings

STATIC = Path(__file__).resolve().parent / "static"
logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _files() -> dict[str, str]:
    path = STATIC / "dist" / "manifest.json"
    try:
        entries = json.loads(path.read_text())["files"]
    except (OSError, ValueError, KeyError):
        logger.error("Front-end assets are not built: run `make setup` (looked for %s)", path)
        return {}
    return {name: entry["path"] for name, entry in entries.items()}


def asset_url(name: str) -> str:
    """URL of a built file, such as ``/_static/dist/app.1a2b3c.css`` for ``app.css``.

    Without a build the page is still served, unstyled, and the log says what to run.
    """
    return settings.STATIC_URL + _files().get(name, f"dist/{name}")
