"""Pages and apps: files that are not compressed or hold up the page, and work that freezes the main thread."""

from __future__ import annotations

from dictamesh_sentry.processing.detectors.problem import (
    Detector,
    Limits,
    Problem,
    Segment,
    Threshold,
    milliseconds,
    number,
    text_of,
    union,
)
from dictamesh_sentry.processing.spans.span import Span

_COMPRESSIBLE = (".js", ".css", ".json", ".svg", ".html", ".xml", ".txt", ".map")
_BUNDLED = (".nib", ".plist", ".strings")
_SENT = ("http.response_transfer_size", "http.response.transfer_size", "Encoded Body Size")
_ENCODED = ("http.response_content_length", "http.response.body.size")
_DECODED = ("http.decoded_response_content_length", "http.decoded_response_body_length", "Decoded Body Size")


def _is_blocking(span: Span) -> bool:
    return span.attributes.get("resource.render_blocking_status") == "blocking"


def _file(span: Span) -> str:
    return span.description.partition("?")[0].partition("#")[0]


def uncompressed(segment: Segment, limits: Limits) -> list[Problem]:
    """A text file that came over the wire as large as it is."""
    found: dict[str, Problem] = {}
    for span in segment.spans:
        if not span.op.startswith("resource.") or not _file(span).lower().endswith(_COMPRESSIBLE):
            continue
        encoded, decoded = number(span, *_ENCODED), number(span, *_DECODED)
        sent = number(span, *_SENT)
        if not sent or encoded < limits["size"] or encoded != decoded or span.duration < limits["duration"]:
            continue
        key = text_of(span)
        found.setdefault(
            key,
            Problem(
                issue_type="performance_uncompressed_assets",
                title="Uncompressed Asset",
                subtitle=key,
                key=key,
                offenders=[span],
                facts=[
                    ("Transaction", segment.segment.description, False),
                    ("Asset", _file(span), True),
                    ("Size", f"{encoded / 1000:.0f} kB", False),
                    ("Duration", milliseconds(span.duration), False),
                ],
            ),
        )
    return list(found.values())


def render_blocking(segment: Segment, limits: Limits) -> list[Problem]:
    """A file the page waited for before it painted anything, and that took a good part of that time."""
    painted = segment.segment.measurements.get("fcp", 0.0)
    if not limits["fcp"] <= painted <= limits["latest_fcp"]:
        return []
    found: dict[str, Problem] = {}
    for span in segment.spans:
        if not span.op.startswith(("resource.link", "resource.script", "resource.css")) or not _is_blocking(span):
            continue
        if span.duration < painted * limits["share"] or (span.start - segment.segment.start) * 1000 > painted:
            continue
        key = text_of(span)
        found.setdefault(
            key,
            Problem(
                issue_type="performance_render_blocking_asset_span",
                title="Large Render Blocking Asset",
                subtitle=key,
                key=key,
                offenders=[span],
                facts=[
                    ("Transaction", segment.segment.description, False),
                    ("Slow resource", _file(span), True),
                    ("First Contentful Paint", milliseconds(painted), False),
                    ("Duration", milliseconds(span.duration), False),
                ],
            ),
        )
    return list(found.values())


def _on_main_thread(span: Span) -> bool:
    return span.attributes.get("blocked_main_thread") is True or span.attributes.get("blocked_main_thread") == "true"


def file_io(segment: Segment, limits: Limits) -> list[Problem]:
    """Reading and writing files while nothing can be drawn."""
    spans = [
        span
        for span in segment.spans
        if span.op.startswith("file")
        and _on_main_thread(span)
        and not _file(span).endswith((".nib", ".plist", ".strings"))
    ]
    return _blocked(segment, spans, limits, "performance_file_io_main_thread", "File IO on Main Thread")


def database(segment: Segment, limits: Limits) -> list[Problem]:
    """Queries while nothing can be drawn."""
    spans = [span for span in segment.spans if span.category == "db" and _on_main_thread(span)]
    return _blocked(segment, spans, limits, "performance_db_main_thread", "DB on Main Thread")


def _blocked(segment: Segment, spans: list[Span], limits: Limits, issue_type: str, title: str) -> list[Problem]:
    if not spans or union(spans) < limits["duration"]:
        return []
    texts = sorted({text_of(span) for span in spans})
    return [
        Problem(
            issue_type=issue_type,
            title=title,
            subtitle=texts[0],
            key="\n".join(texts[:20]),
            offenders=spans,
            facts=[
                ("Transaction", segment.segment.description, False),
                ("What blocked", " · ".join(texts[:5]), True),
                ("Time", milliseconds(union(spans)), False),
            ],
        )
    ]


DETECTORS = (
    Detector(
        "uncompressed_assets", "performance_uncompressed_assets", "Uncompressed assets",
        "A text file is sent without compression.",
        {
            "size": Threshold(512_000, "bytes", 1000, 1e9, "large from this size on"),
            "duration": Threshold(300, "ms", 0, 60_000, "slow from this duration on"),
        },
        uncompressed,
    ),
    Detector(
        "render_blocking_assets", "performance_render_blocking_asset_span", "Render-blocking assets",
        "A page waits for a file before it paints.",
        {
            "fcp": Threshold(2000, "ms", 0, 60_000, "only pages that paint this late"),
            "latest_fcp": Threshold(10_000, "ms", 0, 600_000, "later than this is another problem"),
            "share": Threshold(0.33, "share", 0.01, 1, "the file takes this share of that time"),
        },
        render_blocking,
    ),
    Detector(
        "file_io_main_thread", "performance_file_io_main_thread", "File IO on the main thread",
        "An app reads or writes files where it should draw.",
        {"duration": Threshold(16, "ms", 1, 60_000, "from this time on")}, file_io,
    ),
    Detector(
        "db_main_thread", "performance_db_main_thread", "Database on the main thread",
        "An app queries its database where it should draw.",
        {"duration": Threshold(16, "ms", 1, 60_000, "from this time on")}, database,
    ),
)  # fmt: skip
