"""How many spans one process derives in a second of processor time: descriptions seen before, and new ones.

Processor time is measured, of the best of five rounds, so that other work on the machine matters less.

python benchmarks/span_derivation.py
"""

from __future__ import annotations

import time

from dictamesh_sentry.processing.spans.derive import derive_span
from dictamesh_sentry.processing.spans.span import Span

SAMPLES = {
    "SQL": (
        "db",
        'SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."email" FROM "auth_user" '
        'INNER JOIN "shop_cart" ON ("auth_user"."id" = "shop_cart"."user_id") WHERE ("auth_user"."is_active" AND '
        '"shop_cart"."id" IN (1, 2, 3, 4, 5, 6, 7, 8) AND "shop_cart"."note" = \'gift {n}\') ORDER BY "auth_user"."id" LIMIT 21',
        {"db.system": "postgresql"},
    ),
    "MongoDB": ("db", '{{"find": "users", "filter": {{"name": "jane {n}", "age": {{"$gt": 5}}}}}}', {"db.system": "mongodb"}),
    "HTTP": ("http.client", "GET https://api.example.com/users/{n}?page=2", {"http.request.method": "GET"}),
    "resource": ("resource.script", "https://cdn.example.com/static/js/main.{n}f2c1b3a.chunk.js", {}),
    "cache": ("cache.get", "user:{n}:profile", {"cache.hit": True}),
    "function": ("function", "shop.tasks.pack order {n}", {}),
}  # fmt: skip
COUNT = 20_000


def rate(op: str, descriptions: list[str], attributes: dict[str, object]) -> float:
    """Spans a second."""
    spans = [Span("a" * 32, "b" * 16, "", 0.0, 1.0, op, "", text, attributes=dict(attributes)) for text in descriptions]
    began = time.process_time()
    for span in spans:
        derive_span(span)
    return len(spans) / (time.process_time() - began)


def main() -> None:
    """Print a line for every kind of span."""
    for kind, (op, description, attributes) in SAMPLES.items():
        repeated = max(rate(op, [description.format(n=1)] * COUNT, attributes) for _ in range(5))
        new = max(
            rate(op, [description.format(n=n) for n in range(first, first + COUNT // 4)], attributes)
            for first in range(COUNT, COUNT * 6, COUNT)
        )
        print(f"{kind:10} {repeated:10,.0f}/s repeated {new:10,.0f}/s new")


if __name__ == "__main__":
    main()
