"""How long the performance pages take with many spans.

  python benchmarks/spans.py                      an installation of its own in .cache/benchmark-spans: filled once, then measured
  python benchmarks/spans.py --spans 500000       a smaller one, for a first look
  python benchmarks/spans.py --only "summary"     measure the pages whose name contains the word
  python benchmarks/spans.py --fresh              throw the rows away and make them anew

  SENTRY_DATA_DIR=… python benchmarks/spans.py --url http://localhost:9000
                                                  the installation that these variables describe and that serves there

The rows go straight into the event store, made by SQL out of numbers: a shop of four services with 40 transactions each,
in which a visit is a trace through all four; 14 days with more and slower traffic by day than by night; queries,
requests, caches, queues and files, web vitals, failures, releases, users. One trace more has 100,000 spans. Rows are
the same whenever they are made, but for the day they end on, so pages show them as of now: fill and measure on one day.

The pages are asked for over HTTP, one after the other, with a session, and with other filters from one request to the
next; the first request of each is not counted. A figure is the time until the last byte of the answer.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "benchmark-spans"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=10_000_000, help="spans to have, about (default 10,000,000)")
    parser.add_argument("--days", type=float, default=14, help="days they are spread over (default 14)")
    parser.add_argument("--trace-spans", type=int, default=100_000, help="spans of the large trace (default 100,000)")
    parser.add_argument("--requests", type=int, default=50, help="requests a page (default 50)")
    parser.add_argument("--only", default="", metavar="WORD", help="measure only pages whose name contains this")
    parser.add_argument("--url", default="", help="measure what is served here; default: start an installation")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="the installation's folder (default %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="delete the benchmark's rows first")
    parser.add_argument("--fill-only", action="store_true", help="make the rows and measure nothing")
    return parser.parse_args()


def main() -> int:
    """Fill, serve, measure. Exit code 1 when a page misses its target."""
    options = arguments()
    if not options.url:
        os.environ["SENTRY_DATA_DIR"] = str(options.folder)
        os.environ.setdefault("DICTAMESH_STORE_SYNC", "0")
    os.environ["DJANGO_SETTINGS_MODULE"] = "dictamesh_sentry.config.django"
    sys.path.insert(0, str(Path(__file__).parent))
    import span_fill
    import span_pages

    with span_fill.installation(options.url) as url:
        world = span_fill.fill(options)
        return 0 if options.fill_only else span_pages.measure(url, world, options)


if __name__ == "__main__":
    sys.exit(main())
