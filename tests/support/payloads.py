"""Generated error events of realistic size and shape, as a Flask application would report them.

The same seed gives the same event. ``small`` is about 3.5 KB of JSON, ``full`` about 42 KB, ``large`` about 200 KB.
"""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import Any

SIZES = {"small": (4, 2, 0), "full": (50, 5, 100), "large": (220, 10, 300)}
_MODULES = (
    "flask.app",
    "shop.views.cart",
    "shop.models.order",
    "sqlalchemy.engine.base",
    "werkzeug.serving",
    "shop.tax",
)
_WORDS = ("order", "cart", "price", "stock", "customer", "invoice", "shipping", "quantity", "currency", "voucher")
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)


def error_event(size: str = "full", seed: int = 0, *, timestamp: float = 1_795_000_000.0) -> dict[str, Any]:
    """One event; its id, user, values and one of 50 places of failure vary with the seed."""
    frames, variables, breadcrumbs = SIZES[size]
    random_ = random.Random(seed)
    return {
        "event_id": uuid.UUID(int=random_.getrandbits(128)).hex,
        "timestamp": _rfc3339(timestamp),
        "platform": "python",
        "level": "error",
        "transaction": "shop.views.cart.checkout",
        "server_name": f"web-{random_.randrange(8)}",
        "release": f"shop@2.{random_.randrange(4)}.0",
        "environment": random_.choice(("production", "staging")),
        "exception": {
            "values": [
                {
                    "type": "ValueError",
                    "value": f"invalid quantity {random_.randrange(1000)} for order {random_.getrandbits(32)}",
                    "module": None,
                    "mechanism": {"type": "flask", "handled": False},
                    "stacktrace": {"frames": [_frame(random_, index, variables) for index in range(frames)]},
                }
            ]
        },
        "breadcrumbs": {"values": [_breadcrumb(random_, index, timestamp) for index in range(breadcrumbs)]},
        "request": _request(random_),
        "user": {"id": str(random_.randrange(10_000)), "email": f"user{random_.randrange(10_000)}@example.com"},
        "tags": {"region": random_.choice(("eu", "us")), "shard": random_.randrange(4)},
        "contexts": {
            "runtime": {"name": "CPython", "version": "3.12.4", "build": "3.12.4 (main, Jun  7 2026)"},
            "trace": {
                "trace_id": uuid.UUID(int=random_.getrandbits(128)).hex,
                "span_id": f"{random_.getrandbits(64) | 1:016x}",
                "op": "http.server",
            },
        },
        "extra": {"sys.argv": ["/usr/local/bin/gunicorn", "shop.wsgi"], "attempt": random_.randrange(5)},
        "modules": {f"package-{index}": f"1.{index}.0" for index in range(10 if size == "small" else 60)},
        "sdk": {
            "name": "sentry.python.flask",
            "version": "2.75.0",
            "integrations": ["argv", "atexit", "flask", "logging", "modules", "stdlib"],
            "packages": [{"name": "pypi:sentry-sdk", "version": "2.75.0"}],
        },
    }


def _rfc3339(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")


def _frame(random_: random.Random, index: int, variables: int) -> dict[str, Any]:
    module = _MODULES[index % len(_MODULES)]
    path = module.replace(".", "/") + ".py"
    return {
        "filename": path,
        "abs_path": f"/srv/shop/{path}",
        "function": f"{random_.choice(_WORDS)}_step_{index}",
        "module": module,
        "lineno": random_.randrange(1, 900),
        "pre_context": [f"    {word} = compute_{word}(item)" for word in random_.sample(_WORDS, 3)],
        "context_line": "    return handler(request, **arguments)",
        "post_context": ["", "    def finish(self):"],
        "in_app": module.startswith("shop"),
        "vars": {f"{_WORDS[number % len(_WORDS)]}_{number}": _value(random_, number) for number in range(variables)},
    }


def _value(random_: random.Random, number: int) -> Any:
    match number % 4:
        case 0:
            return random_.getrandbits(20)
        case 1:
            return f"'{random_.choice(_WORDS)}-{random_.getrandbits(24):x}'"
        case 2:
            return {"id": random_.getrandbits(16), "name": f"'{random_.choice(_WORDS)}'"}
        case _:
            return [f"<Item {random_.getrandbits(12)}>", "None", "True"]


def _breadcrumb(random_: random.Random, index: int, timestamp: float) -> dict[str, Any]:
    if index % 3 == 0:
        return {
            "type": "http",
            "category": "httplib",
            "timestamp": _rfc3339(timestamp - 100 + index),
            "data": {
                "url": f"https://api.example.com/{random_.choice(_WORDS)}/{random_.getrandbits(16)}",
                "method": "GET",
                "status_code": 200,
            },
        }
    return {
        "type": "log",
        "category": "shop.cart",
        "level": "info",
        "message": f"updated {random_.choice(_WORDS)} {random_.getrandbits(16)} in {random_.randrange(90)} ms",
        "timestamp": _rfc3339(timestamp - 100 + index),
    }


def _request(random_: random.Random) -> dict[str, Any]:
    return {
        "url": f"https://shop.example.com/cart/{random_.getrandbits(16)}/checkout",
        "method": "POST",
        "query_string": "step=3&lang=pt",
        "headers": {
            "Host": "shop.example.com",
            "User-Agent": _AGENT.format(random_.randrange(120, 140)),
            "Accept": "text/html,application/xhtml+xml",
            "Accept-Language": "pt-BR,pt;q=0.9",
            "Content-Type": "application/json",
            "Referer": "https://shop.example.com/cart",
        },
        "env": {"SERVER_NAME": "shop.example.com", "SERVER_PORT": "443", "REMOTE_ADDR": "203.0.113.7"},
        "data": {"items": [{"sku": f"S{random_.getrandbits(16)}", "quantity": random_.randrange(9)} for _ in range(4)]},
    }
