"""What a description is reduced to."""

from __future__ import annotations

from typing import NamedTuple


class Described(NamedTuple):
    """``normalized`` groups spans, ``action`` is what was done (upper case), ``domain`` what it was done to."""

    normalized: str = ""
    action: str = ""
    domain: str = ""


NOTHING = Described()
