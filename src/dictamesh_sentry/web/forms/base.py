"""What every form of the pages shares: errors of actions next to their fields, and lists typed one per line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dictamesh_sentry.accounts.errors import ConflictError


class PageForm(forms.Form):
    """A form whose action may refuse: ``take_errors`` puts the action's messages where the page shows them."""

    def take_errors(self, error: ValidationError, **aliases: str) -> None:
        """Show an action's ValidationError. ``aliases`` maps the action's field names to this form's."""
        if getattr(error, "error_dict", None) is None:
            # What collides with something there is always the slug.
            at = "slug" if isinstance(error, ConflictError) and "slug" in self.fields else None
            self.add_error(at, error)
            return
        for name, messages in error.message_dict.items():
            field = aliases.get(name, name)
            for message in messages:
                self.add_error(field if field in self.fields else None, message)


class LinesField(forms.CharField):
    """A text area with one entry per line; cleans to a list without blanks and duplicates.

    ``check`` is called with each entry and raises ValueError with a message when it is wrong; the page then
    names the line.
    """

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"})

    def __init__(
        self, *, check: Callable[[str], Any] | None = None, limit: int = 1000, length: int = 512, **kwargs: Any
    ) -> None:
        super().__init__(**{"required": False, **kwargs})
        self.check_entry = check
        self.limit = limit
        self.length = length

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        lines = (value or "").replace("\r", "").split("\n")
        problems = list(self._problems(lines))
        if problems:
            raise ValidationError([ValidationError(problem) for problem in problems[:10]])
        entries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
        if len(entries) > self.limit:
            raise ValidationError(f"At most {self.limit} entries; there are {len(entries)}.")
        return entries

    def _problems(self, lines: Iterable[str]) -> Iterable[str]:
        for number, line in enumerate(lines, start=1):
            entry = line.strip()
            if len(entry) > self.length:
                yield f"Line {number}: longer than {self.length} characters."
            elif entry and self.check_entry is not None:
                try:
                    self.check_entry(entry)
                except ValueError as error:
                    yield f"Line {number}: {error}"

    def validate(self, value: Any) -> None:
        """``to_python`` checked every line; what is left is that there is one."""
        if self.required and not value:
            raise ValidationError(self.error_messages["required"])


def switch(label: str, help_text: str = "") -> forms.BooleanField:
    """A yes/no option that may be off."""
    return forms.BooleanField(label=label, help_text=help_text, required=False)
