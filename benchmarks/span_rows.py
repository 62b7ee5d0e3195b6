"""SQL that makes the spans of a shop out of numbers, the same ones for the same numbers.

A number is a segment. Four in a row are one trace: the page, the gateway, the API and a worker. What a segment is called and how
it is built (its spans, their order, what they do) depends on its service and its rank among the 40 transactions of that service;
how long it takes, who asked, and whether it failed depends on the number itself. There are more segments by day than by night, and
they take longer then.
"""

from __future__ import annotations

SERVICES = ("shop-page", "shop-gateway", "shop-api", "shop-worker")
PLATFORMS = ("javascript", "node", "python", "python")
SDKS = ("sentry.javascript.browser", "sentry.javascript.node", "sentry.python.flask", "sentry.python.celery")
TRANSACTIONS = 40

_NOUNS = (
    "cart", "checkout", "product", "search", "order", "account", "invoice", "review", "wishlist", "voucher", "return", "stock",
    "price", "category", "brand", "address", "payment", "shipment", "newsletter", "support",
)  # fmt: skip
_TABLES = (*_NOUNS, "session", "audit_log", "job", "permission")
_HOSTS = (
    "payments.example.com", "tax.example.com", "mail.example.net", "search.internal", "geo.example.org", "images.example.com",
    "crm.example.com", "parcels.example.net",
)  # fmt: skip
_TOPICS = ("orders", "mails", "invoices", "images", "search-index", "webhooks", "exports", "stock")
_SHAPES = (
    ("SELECT", "SELECT .. FROM {t} WHERE id = %s LIMIT %s"),
    ("SELECT", "SELECT .. FROM {t} WHERE account_id = %s ORDER BY created_at DESC"),
    ("SELECT", "SELECT COUNT(*) FROM {t} WHERE status = %s"),
    ("INSERT", "INSERT INTO {t} (..) VALUES (%s)"),
    ("UPDATE", "UPDATE {t} SET .. WHERE id = %s"),
    ("DELETE", "DELETE FROM {t} WHERE id = %s"),
)
#: Of 100 spans that are no containers, how many are of which category, by service.
_MIX = (
    (("resource", 60), ("http", 25), ("ui", 15)),
    (("http", 45), ("cache", 25), ("db", 20), ("queue", 10)),
    (("db", 60), ("cache", 20), ("http", 10), ("queue", 10)),
    (("db", 50), ("http", 20), ("cache", 15), ("queue", 15)),
)
_CONTAINERS = ("ui.react.render", "middleware.express", "function", "function")


def text(value: str) -> str:
    """A literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def texts(values: tuple[str, ...]) -> str:
    """An array of literals."""
    return "[" + ", ".join(text(value) for value in values) + "]"


def names() -> tuple[tuple[str, ...], ...]:
    """The transactions of each service, the most frequent first."""
    page = tuple(f"/{noun}{tail}" for noun in _NOUNS for tail in ("", "/:id"))
    gateway = tuple(f"{verb} /api/{noun}" for noun in _NOUNS for verb in ("GET", "POST"))
    api = tuple(f"/v1/{noun}{tail}" for noun in _NOUNS for tail in ("/<int:id>", "/list"))
    worker = tuple(f"shop.tasks.{verb}_{noun}" for noun in _NOUNS for verb in ("index", "notify"))
    return page, gateway, api, worker


def unit(*salt: str) -> str:
    """A number between 0 and 1, evenly spread."""
    return f"((cityHash64({', '.join(salt)}) + 0.5) / 18446744073709551616)"


def normal(*salt: str) -> str:
    """A number of the standard normal distribution (Box and Muller's transform of two even ones)."""
    return f"(sqrt(-2 * log({unit(*salt, '1')})) * cos(6.283185307 * {unit(*salt, '2')}))"


def choose(values: tuple[str, ...], *salt: str) -> str:
    """One of some values."""
    return f"{texts(values)}[1 + cityHash64({', '.join(salt)}) % {len(values)}]"


def span_id(segment: str, index: str) -> str:
    """The id of a span of a segment; 0 is the segment itself."""
    return f"bitOr(cityHash64(toUInt64({segment}), toUInt64({index}), 77), 1)"


def trace_id(number: str, salt: int = 5) -> str:
    """A UUID of a number."""
    halves = ", ".join(f"reinterpretAsFixedString(cityHash64(toUInt64({number}), {salt}, {half}))" for half in (1, 2))
    return f"reinterpretAsUUID(concat({halves}))"


def _vital(name: str, median: float, sigma: float) -> str:
    return f"{median} * exp({sigma} * {normal('s', text(name))}) * slowness"


_VITALS = {"lcp": (1900, 0.5), "fcp": (1200, 0.5), "ttfb": (420, 0.6), "cls": (0.06, 0.9), "inp": (150, 0.7)}
#: A vital's boundaries and weight, as the product scores it.
_CURVES = {
    "lcp": (2500, 4000, 0.30), "inp": (200, 500, 0.30), "cls": (0.1, 0.25, 0.15), "fcp": (1800, 3000, 0.15),
    "ttfb": (800, 1800, 0.10),
}  # fmt: skip


def _measurements() -> str:
    """The web vitals of a page and their scores."""
    pairs, total = [], []
    for name, (good, poor, weight) in _CURVES.items():
        value = _vital(name, *_VITALS[name])
        score = (
            f"least(1, greatest(0, 0.5 * erfc(-0.9061938024368232 * log(({value}) / {poor}) / log({good} / {poor}))))"
        )
        pairs += [f"'measurements.{name}', {value}", f"'measurements.score.{name}', {score}"]
        pairs.append(f"'measurements.score.weight.{name}', {weight}")
        total.append(f"{weight} * {score}")
    return f"map({', '.join(pairs)}, 'measurements.score.total', {' + '.join(total)})"


_FLOATS = "CAST(map(), 'Map(String, Float64)')"
_TEXTS = "CAST(map(), 'Map(String, String)')"

#: Service, name, time, duration and the shares of its spans, for each segment. ``x`` is its day.
SEGMENTS = f"""SELECT number AS s, toUInt8(s % 4) AS service, intDiv(s, 4) AS trace_number,
toUInt32({TRANSACTIONS} * pow({unit("trace_number", "3")}, 2)) AS rank,
(trace_number + 0.5) * 4 / {{segments:UInt64}} * {{days:Float64}} AS x,
{{start:Float64}} + 86400 * (x + 0.6 * sin(6.283185307 * (x - 0.1)) / 6.283185307) + service * 0.012 AS began,
1 - 0.35 * cos(6.283185307 * (x - 0.1)) AS load,
if(service = 2 AND rank = 3 AND x > {{days:Float64}} * 0.8, 1.9, 1) AS regression,
exp(0.5 * {normal("s", "4")}) * load AS slowness,
exp(3 + 2.5 * {unit("service", "rank", "5")}) * [9, 2.5, 1, 3][service + 1] * slowness * regression AS whole,
5 * (2 + cityHash64(service, rank, 6) % 5) AS children, whole / children AS slot,
arrayMap(k -> greatest(0.02, least(0.98, 0.45 * exp(0.7 * {normal("s", "k", "7")}))), range(children)) AS shares,
arrayConcat([0.], shares) AS shares_of, arrayConcat([0.], arrayMap(k -> if(k % 5 = 0, arraySum(arraySlice(shares, k + 2, 4)), 0),
range(children))) AS sums_of,
toFloat64(cityHash64(s, 8) % 1000) AS luck,
multiIf(luck < if(rank = 5, 80, 12), 'internal_error', luck < 90 AND luck > 84, 'not_found', 'ok') AS outcome,
[{", ".join(texts(found) for found in names())}][service + 1][rank + 1] AS transaction,
[if(cityHash64(s, 9) % 10 < 7, 'pageload', 'navigation'), 'http.server', 'http.server', 'queue.process'][service + 1] AS
transaction_op,
['', splitByChar(' ', transaction)[1], {choose(("GET", "GET", "POST"), "rank", "10")}, ''][service + 1] AS transaction_method,
['route', 'route', 'route', 'task'][service + 1] AS transaction_source,
{choose(("production",) * 18 + ("staging", "dev"), "trace_number", "11")} AS environment,
concat({texts(SERVICES)}[service + 1], '@1.', toString(intDiv(toUInt32(x), 2)), '.', toString(service)) AS release,
cityHash64(trace_number, 12) % 40000 AS visitor, if(service = 3, 0.25, 1) AS kept
FROM numbers({{first:UInt64}}, {{count:UInt64}})"""

_RATE = " ".join(
    f"WHEN service = {service} THEN multiIf("
    + ", ".join(
        f"dice < {sum(share for _, share in mix[: place + 1])}, {text(name)}" for place, (name, _) in enumerate(mix)
    )
    + ", 'other')"
    for service, mix in enumerate(_MIX)
)

#: Place, length and purpose of each span. ``i`` is 0 for the segment, then containers of four spans each.
SPANS = f"""SELECT *, cityHash64(service, rank, i) AS purpose, purpose % 100 AS dice, intDiv(purpose, 100) AS target,
i = 0 AS is_head, i > 0 AND (i - 1) % 5 = 0 AS is_container, intDiv(i - 1, 5) AS box, (i - 1) % 5 AS place,
multiIf(is_head, 0, is_container, box * 5 * slot + 0.01 * slot, box * 5 * slot + ((place - 1) * 1.2 + 0.1) * slot) AS after,
multiIf(is_head, whole, is_container, 4.9 * slot, 1.18 * slot * share) AS duration_ms,
multiIf(is_head, whole - children / 5 * 4.9 * slot, is_container, (4.9 - 1.18 * sum_of_four) * slot, duration_ms) AS own_ms,
CASE {_RATE} ELSE 'other' END AS leaf_category,
multiIf(is_head, '', is_container, ['ui.react', 'middleware', 'function', 'function'][service + 1], leaf_category) AS kind,
{texts(_TABLES)}[1 + target % {len(_TABLES)}] AS table_name, 1 + intDiv(target, {len(_TABLES)}) % {len(_SHAPES)} AS shape,
{texts(tuple(sql for _, sql in _SHAPES))}[shape] AS pattern, {texts(tuple(verb for verb, _ in _SHAPES))}[shape] AS verb,
{texts(_HOSTS)}[1 + target % {len(_HOSTS)}] AS host, {choose(("GET", "GET", "POST"), "target", "13")} AS method,
{texts(_NOUNS)}[1 + target % {len(_NOUNS)}] AS prefix, {texts(_TOPICS)}[1 + target % {len(_TOPICS)}] AS topic,
{choose(("get", "get", "get", "put", "remove"), "target", "14")} AS cache_verb,
{choose(("js", "css", "webp", "woff2"), "target", "15")} AS extension, cityHash64(s, i, 16) AS chance,
chance % 1000 < 5 AS is_broken, toString(chance % 100000) AS id_text
FROM (SELECT s, service, trace_number, rank, began, whole, children, slot, slowness, outcome, transaction, transaction_op,
transaction_method, transaction_source, environment, release, visitor, kept, i, share, sum_of_four FROM ({SEGMENTS})
ARRAY JOIN range(children + 1) AS i, shares_of AS share, sums_of AS sum_of_four)"""

_OP = """multiIf(is_head, transaction_op, is_container, ['ui.react.render', 'middleware.express', 'function', 'function'][service + 1],
kind = 'db', 'db.sql.query', kind = 'http', 'http.client', kind = 'cache', concat('cache.', cache_verb),
kind = 'queue', if(service = 3, 'queue.process', 'queue.publish'),
kind = 'resource', multiIf(extension = 'js', 'resource.script', extension = 'css', 'resource.css', extension = 'webp', 'resource.img',
'resource.other'), kind = 'ui', 'ui.long-task', 'default')"""
_NORMALIZED = """multiIf(is_head, '', is_container, concat('handle ', prefix), kind = 'db', replaceAll(pattern, '{t}', table_name),
kind = 'http', concat(method, ' https://', host), kind = 'cache', concat(upper(cache_verb), ' ', prefix, ':*'), kind = 'queue', topic,
kind = 'resource', concat('https://cdn.example.com/assets/', prefix, '.*.', extension), concat('work on ', prefix))"""
_DESCRIPTION = """multiIf(is_head, transaction, kind = 'db', replaceAll(normalized, '%s', id_text),
kind = 'http', concat(normalized, '/v2/', prefix, '/', id_text), kind = 'cache', concat(prefix, ':', id_text),
kind = 'resource', concat('https://cdn.example.com/assets/', prefix, '.', lower(hex(purpose)), '.', extension), normalized)"""
_TEXT_ATTRIBUTES = f"""multiIf(is_head, map('server_name', concat('web-', toString(visitor % 12)), 'customer.plan',
{choose(("free", "business", "enterprise"), "visitor", "17")}, 'region', {choose(("eu", "us", "sa"), "visitor", "18")},
'sentry.segment.name', transaction),
kind = 'db', map('db.system', system, 'db.name', 'shop', 'thread.name', 'MainThread'),
kind = 'http', map('http.request.method', method, 'server.address', host, 'url.full', concat('https://', host, '/v2/', prefix, '/', id_text)),
kind = 'cache', map('cache.key', concat(prefix, ':', id_text), 'cache.hit', if(chance % 100 < 82, 'true', 'false'), 'cache.ttl', '300'),
kind = 'queue', map('messaging.destination.name', topic, 'messaging.message.id', lower(hex(chance)), 'messaging.system', 'kafka'),
kind = 'resource', map('server.address', 'cdn.example.com', 'resource.render_blocking_status', if(extension = 'css', 'blocking',
'non-blocking')), {_TEXTS})"""
_NUMBER_ATTRIBUTES = f"""multiIf(is_head AND service = 0 AND transaction_op = 'pageload', {_measurements()},
kind = 'cache' AND cache_verb = 'get', map('cache.item_size', round(900 * exp({normal("chance", "19")}))),
kind = 'queue', map('messaging.message.body.size', round(2000 * exp({normal("chance", "20")})), 'messaging.message.receive.latency',
180 * exp({normal("chance", "21")}), 'messaging.message.retry.count', toFloat64(chance % 50 = 0)),
kind = 'resource', map('http.response_content_length', round(30000 * exp({normal("chance", "22")})), 'http.response_transfer_size',
round(31000 * exp({normal("chance", "22")}))), kind = 'http', map('http.response_content_length', toFloat64(chance % 9000)), {_FLOATS})"""
_PAYLOAD = """if(is_head, concat('{"type":"transaction","contexts":{"trace":{"op":"', transaction_op, '","status":"', outcome,
'"},"runtime":{"name":"CPython","version":"3.12.7"},"os":{"name":"Linux","version":"6.8"},"device":{"arch":"x86_64"}},"request":{"url":',
'"https://shop.example.com', transaction, '","method":"GET","headers":[["User-Agent","Mozilla/5.0"],["Accept","*/*"]]},"user":{"id":"',
toString(visitor), '"},"tags":[["server_name","web-', toString(visitor % 12), '"]],"breadcrumbs":{"values":[{"category":"query","message":',
'"', id_text, '"}]}}'), '')"""

COLUMNS: dict[str, str] = {
    "project_id": "{projects:Array(UInt64)}[service + 1]",
    "is_segment": "is_head",
    "category": "if(is_head, splitByChar('.', transaction_op)[1], kind)",
    "timestamp": "fromUnixTimestamp64Micro(toInt64(1e6 * (began + after / 1000)))",
    "received": "fromUnixTimestamp64Milli(toInt64(1e3 * (began + whole / 1000 + 0.4)))",
    "retention_days": "90",
    "origin_partition": "0",
    "origin_offset": "s",
    "trace_id": trace_id("trace_number"),
    "span_id": span_id("s", "i"),
    "parent_span_id": f"multiIf(is_head, if(service = 0, 0, {span_id('s - 1', '2')}), is_container, {span_id('s', '0')}, "
    f"{span_id('s', 'i - place')})",
    "segment_id": span_id("s", "0"),
    "event_id": trace_id("s", 6),
    "duration": "duration_ms",
    "self_time": "own_ms",
    "op": _OP,
    "name": "if(is_head, transaction_op, op)",
    "normalized_description": _NORMALIZED,
    "system": "if(kind = 'db', if(service = 3, 'mysql', 'postgresql'), if(kind = 'queue', 'kafka', if(kind = 'cache', 'redis', '')))",
    "description": _DESCRIPTION.replace("normalized", "normalized_description"),
    "status": "if(is_head, outcome, if(is_broken, 'internal_error', 'ok'))",
    "status_code": "multiIf(kind = 'http', if(is_broken, '502', if(chance % 100 = 7, '404', '200')), is_head AND service IN (1, 2), "
    "if(outcome = 'ok', '200', if(outcome = 'not_found', '404', '500')), '')",
    "origin": "if(is_head, 'auto.http', concat('auto.', kind))",
    "group_hash": "if(normalized_description = '', 0, cityHash64(op, normalized_description))",
    "action": "multiIf(kind = 'db', verb, kind = 'http', method, kind = 'cache', upper(cache_verb), kind = 'queue', "
    "if(service = 3, 'PROCESS', 'PUBLISH'), '')",
    "domain": "multiIf(kind = 'db', table_name, kind = 'http', host, kind = 'cache', prefix, kind = 'queue', topic, "
    "kind = 'resource', 'cdn.example.com', '')",
    "transaction": "transaction", "transaction_op": "transaction_op", "transaction_method": "transaction_method",
    "transaction_source": "transaction_source", "environment": "environment", "release": "release",
    "platform": f"{texts(PLATFORMS)}[service + 1]",
    "sdk_name": f"{texts(SDKS)}[service + 1]",
    "sdk_version": "['11.12.0', '11.1.0', '2.75.0', '2.75.0'][service + 1]",
    "user": "concat('id:', toString(visitor))",
    "user_id": "toString(visitor)",
    "user_email": "concat('visitor', toString(visitor), '@example.com')",
    "geo_country_code": choose(("DE", "BR", "US", "FR", "PT", "IN"), "visitor", "23"),
    "browser_name": f"if(service = 0, {choose(('Chrome', 'Chrome', 'Firefox', 'Safari', 'Edge'), 'visitor', '24')}, '')",
    "os_name": f"if(service = 0, {choose(('Windows', 'macOS', 'Android', 'iOS'), 'visitor', '25')}, 'Linux')",
    "sample_weight": "1 / kept",
    "attributes_string": _TEXT_ATTRIBUTES,
    "attributes_number": _NUMBER_ATTRIBUTES,
    "payload": _PAYLOAD,
}  # fmt: skip
