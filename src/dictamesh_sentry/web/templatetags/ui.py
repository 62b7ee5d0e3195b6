"""The components every page is made of. Registered as built-ins: templates need no ``{% load %}``."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect, Select, Textarea
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from dictamesh_sentry.web import timefmt
from dictamesh_sentry.web.assets_manifest import asset_url
from dictamesh_sentry.web.presenters import charts
from dictamesh_sentry.web.presenters.comment import render_comment
from dictamesh_sentry.web.presenters.highlight import highlight_block

register = template.Library()
register.simple_tag(asset_url, name="asset")


@register.simple_tag
def icon(name: str, css: str = "icon") -> SafeString:
    """One symbol of the sprite. Decorative: name the control in text or ``aria-label``."""
    return format_html(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        css,
        asset_url("icons.svg"),
        name,
    )


@register.simple_tag(name="time")
def time_tag(value: dt.datetime | None, form: str = "ago") -> SafeString:
    """A moment. ``ago``: relative text, absolute title in the user's time zone. ``full``: the other way round.

    ``age``: how long ago without the word ("3 h"). None gives a dash.
    """
    if value is None:
        return mark_safe('<span class="faint">–</span>')
    local = timezone.localtime(value)
    absolute = timefmt.absolute(local)
    relative = timefmt.ago(value, timezone.now()) if form != "age" else timefmt.age(value, timezone.now())
    if form == "full":
        return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), relative, absolute)
    return format_html('<time datetime="{}" title="{}" data-{}>{}</time>', value.isoformat(), absolute, form, relative)


@register.filter
def compact(value: Any) -> str:
    """1234567 → "1.2m". Up to 9,999 the number itself, with separators."""
    return timefmt.compact(int(value or 0))


@register.simple_tag
def pairs(**values: Any) -> str:
    """Keyword arguments as a query string, percent-encoded; empty ones are left out."""
    return urlencode([(key, str(value)) for key, value in values.items() if value not in (None, "")])


@register.filter
def percent(value: Any) -> str:
    """0.0123 → "1.23%"; a dash for nothing."""
    return "–" if value is None else f"{float(value) * 100:.3g}%"


@register.filter
def change(value: Any) -> str:
    """A ratio as a change: 1.25 → "+25%", 0.5 → "-50%"; large ones as a multiple."""
    if value is None:
        return "–"
    ratio = float(value)
    return f"×{ratio:.1f}" if ratio >= 10 else f"{(ratio - 1) * 100:+.0f}%"


@register.filter
def rate(value: Any) -> str:
    """A number per minute with three significant digits, small ones not as zero: 0.00312 → "0.00312"."""
    number = float(value or 0)
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


@register.filter
def span_hex(value: Any) -> str:
    """A span id as the 16 hex digits it has in URLs."""
    return f"{int(value):016x}"


@register.filter
def unlocalized(value: Any) -> str:
    """A number as URLs and form fields want it; empty for nothing."""
    return "" if value is None else f"{float(value):.6g}"


@register.filter
def hundredths(value: Any) -> str:
    """A share as a width of 100."""
    return f"{float(value) * 100:.2f}"


@register.filter
def add_hundredths(value: Any, other: Any) -> str:
    """Two shares together as a width of 100."""
    return f"{(float(value) + float(other)) * 100:.2f}"


@register.simple_tag
def meter_of(share: float) -> SafeString:
    """A bar from 0 to 1, decorative: the number stands beside it."""
    return charts.meter(share)


@register.filter
def milliseconds(value: Any) -> str:
    """1350 → "1.35s"; a dash for nothing."""
    return "–" if value is None else timefmt.elapsed(float(value))


@register.filter
def shifted(value: Any) -> str:
    """Milliseconds a clock was moved by, with their sign."""
    return f"{'−' if float(value) < 0 else '+'}{timefmt.elapsed(abs(float(value)))}"


@register.filter
def grouped(value: Any) -> str:
    """1234567 → "1,234,567"."""
    return f"{int(value or 0):,}"


@register.filter
def filesize(value: Any) -> str:
    """Bytes for people: "1.4 MB"."""
    size = float(value or 0)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@register.inclusion_tag("components/avatar.html")
def avatar(owner: Any = None, css: str = "") -> dict[str, Any]:
    """A user's initials, a team's letters, or an empty ring."""
    if owner is None:
        return {"text": "", "title": "Unassigned", "css": f"none {css}"}
    key = getattr(owner, "pk", 0) or 0
    if hasattr(owner, "initials"):
        return {"text": owner.initials, "title": owner.display_name, "css": f"t{key % 6} {css}"}
    slug = getattr(owner, "slug", "?")
    return {"text": slug[:2].upper(), "title": f"#{slug}", "css": f"team t{key % 6} {css}"}


PLATFORM_MARKS = {
    "python": "Py", "javascript": "JS", "node": "No", "go": "Go", "java": "Jv", "ruby": "Rb", "php": "Ph",
    "csharp": "C#", "native": "C+", "cocoa": "iO", "objc": "Oc", "rust": "Rs", "elixir": "Ex", "dart": "Da",
    "swift": "Sw", "android": "An", "perl": "Pl", "haskell": "Hs", "groovy": "Gr", "other": "··", "": "··",
}  # fmt: skip


@register.simple_tag
def platform_mark(platform: str) -> SafeString:
    """Two letters that stand for a platform."""
    family = (platform or "").split("-")[0]
    mark = PLATFORM_MARKS.get(platform) or PLATFORM_MARKS.get(family) or (family[:2].title() or "··")
    return format_html('<span class="platform" title="{}" aria-hidden="true">{}</span>', platform or "other", mark)


@register.simple_tag
def level_dot(level: str) -> SafeString:
    """The coloured dot of a level; the word is there for screen readers."""
    known = level if level in {"fatal", "error", "warning", "info", "log", "debug", "sample"} else "error"
    return format_html(
        '<span class="dot {}" title="Level: {}"></span><span class="visually-hidden">{}</span>', known, level, level
    )


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, hint: str = "", css: str = "") -> dict[str, Any]:
    """A form field with its label, hint and errors, tied together for assistive technology."""
    widget = bound.field.widget
    kind = "text"
    classes = "input"
    if isinstance(widget, CheckboxInput):
        kind, classes = "checkbox", ""
    elif isinstance(widget, CheckboxSelectMultiple | RadioSelect):
        kind, classes = "choices", ""
    elif isinstance(widget, Select):
        classes = "select"
    elif isinstance(widget, Textarea):
        classes = "textarea"
    hint = hint or str(bound.help_text or "")
    described = [f"{bound.auto_id}-hint"] if hint else []
    if bound.errors:
        described.append(f"{bound.auto_id}-error")
    attributes: dict[str, str] = {"class": f"{classes} {css}".strip()} if classes else {}
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {"field": bound, "kind": kind, "hint": hint, "control": bound.as_widget(attrs=attributes)}  # pyright: ignore[reportArgumentType]


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: Any) -> dict[str, Any]:
    """The errors that belong to no single field."""
    return {"errors": form.non_field_errors()}


@register.inclusion_tag("components/tabs.html")
def tabs(items: list[dict[str, Any]], label: str) -> dict[str, Any]:
    """Tabs as links. Items: ``{"url", "label", "current", "count"?}``."""
    return {"items": items, "label": label}


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(
    context: template.Context, previous: str | None, following: str | None, summary: str = ""
) -> dict[str, Any]:
    """Previous and next by cursor, keeping the rest of the URL."""
    return {"request": context["request"], "previous": previous, "following": following, "summary": summary}


@register.simple_tag
def copy_button(text: str, label: str = "Copy", *, show_label: bool = False) -> SafeString:
    """Copies ``text``. Hidden where scripts do not run."""
    return format_html(
        '<button type="button" class="copy" data-copy="{}" aria-label="{}" title="{}">{}{}</button>',
        text, label, label, icon("copy", "icon-s"), label if show_label else "",
    )  # fmt: skip


@register.inclusion_tag("components/code.html")
def code_block(text: str, language: str = "", label: str = "Copy") -> dict[str, Any]:
    """A highlighted block of code with a copy button."""

    return {"text": text, "html": highlight_block(text, language), "label": label}


@register.simple_block_tag(end_name="end_menu")
def menu(content: str, label: str, icon_name: str = "", css: str = "", button: str = "", aria: str = "") -> SafeString:
    """A menu that opens without scripts. Inside: links and buttons of class ``menu-item``.

    ``css``: ``end`` aligns to the right edge, ``up`` opens upwards. ``button``: classes of the button.
    """
    named = format_html(' aria-label="{}" title="{}"', aria, aria) if aria else ""
    chevron = icon("chevron-down", "icon-s") if label or not icon_name else ""
    return format_html(
        '<details class="menu {}"><summary class="button {}"{}>{}{}{}</summary>'
        '<div class="menu-panel">{}</div></details>',
        css, button, named, icon(icon_name) if icon_name else "", label, chevron, content,
    )  # fmt: skip


@register.simple_block_tag(end_name="end_dialog")
def dialog(content: str, id: str, title: str) -> SafeString:
    """A modal dialog, opened by any control with ``data-dialog="<id>"``."""
    return format_html(
        '<dialog id="{}" aria-labelledby="{}-title"><div class="dialog-head"><h2 id="{}-title">{}</h2>'
        '<button type="button" class="button quiet small square" data-close aria-label="Close">{}</button></div>'
        '<div class="dialog-body">{}</div></dialog>',
        id, id, id, title, icon("close"), content,
    )  # fmt: skip


@register.simple_block_tag(end_name="end_empty")
def empty(content: str, title: str, icon_name: str = "info") -> SafeString:
    """An empty state: what is not there, and how it gets there."""
    return format_html('<div class="empty">{}<h2>{}</h2>{}</div>', icon(icon_name), title, content)


@register.simple_block_tag(end_name="end_alert")
def alert(content: str, kind: str = "info") -> SafeString:
    """A message inside the page. ``kind``: info, success, warning, error."""
    name = {"info": "info", "success": "check"}.get(kind, "warning")
    return format_html(
        '<div class="alert {}" role="{}">{}<div>{}</div></div>',
        kind,
        "alert" if kind == "error" else "note",
        icon(name),
        content,
    )


register.simple_tag(charts.sparkline, name="sparkline")
register.simple_tag(charts.bar_chart, name="bar_chart")
register.simple_tag(charts.meter, name="meter")
register.filter("comment", render_comment)


@register.simple_tag
def boost() -> SafeString:
    """Attributes that send a form or link in the background and morph the page into the answer."""
    return format_html('{}="true" hx-target="body" hx-swap="morph:innerHTML show:none"', "hx-boost")


@register.simple_tag
def caret(text: str, position: int, length: int = 1) -> SafeString:
    """The text with the wrong characters marked, for ``<pre>``."""
    end = max(position + 1, position + (length or 1))
    return format_html("{}<mark>{}</mark>{}", text[:position], text[position:end] or " ", text[end:])


@register.filter
def priority_colour(priority: str) -> str:
    """The badge colour of a priority."""
    return {"high": "red", "medium": "amber"}.get(priority, "")


@register.simple_tag
def note(text: str) -> SafeString:
    """The mark of a value that was filtered or cut, with the reason in its tooltip and for screen readers."""
    if not text:
        return mark_safe("")
    lowered = text.lower()
    word = "Trimmed" if "size limits" in lowered else "Filtered" if "scrubbing" in lowered else "Changed"
    if lowered.startswith(("invalid", "missing", "unknown", "value too long")):
        word = "Invalid"
    return format_html(
        '<span class="meta-note" title="{}">{}<span class="visually-hidden">: {}</span></span>', text, word, text
    )
