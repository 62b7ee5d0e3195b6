"""SQL that makes one large trace: blocks of 32 spans, each a segment of one of the services.

Block 0 is the root; blocks b of the next level are called by block (b - 1) / 2, which makes a tree of as many levels as the number
of blocks has binary digits. Inside a block span 1 is below the segment, 2 to 7 form a tree below it, and 8 to 31 are siblings below
span 4 that do the same thing again and again.
"""

from __future__ import annotations

from span_rows import SDKS, SERVICES, span_id, texts

BLOCK = 32
TRACE_ID = "0badcafe000040008000000000000001"
_SALT = 1_000_000_000  # far above the segments of the other rows, so that ids differ
_WHOLE = 60_000.0  # milliseconds

#: ``b`` is the block, ``j`` the span in it; both trees lie in time as they lie in the numbers.
PLACES = f"""SELECT number AS n, intDiv(number, {BLOCK}) AS b, number % {BLOCK} AS j, toUInt8(b % 4) AS service,
toUInt32(floor(log2(b + 1))) AS level, b + 1 - pow(2, level) AS across, {_WHOLE} / pow(2, level) AS block_ms,
across * block_ms AS block_after, toUInt32(floor(log2(greatest(j, 1)))) AS depth, greatest(j, 1) - pow(2, depth) AS place,
multiIf(j = 0, block_ms, j < 8, block_ms / 2 / pow(2, depth), block_ms / 8 / 24 * 0.9) AS duration_ms,
block_after + multiIf(j = 0, 0, j < 8, place * block_ms / 2 / pow(2, depth), (j - 8) * block_ms / 8 / 24) AS after,
multiIf(j = 0, block_ms / 2, j < 4, 0, j = 4, duration_ms * 0.1, duration_ms) AS own_ms, cityHash64(b, 41) % 20 AS purpose
FROM numbers({{first:UInt64}}, {{count:UInt64}})"""

_QUERIES = (
    "SELECT .. FROM product WHERE id = %s", "SELECT .. FROM price WHERE sku = %s", "SELECT .. FROM stock WHERE sku = %s",
    "SELECT .. FROM review WHERE product_id = %s",
)  # fmt: skip

COLUMNS: dict[str, str] = {
    "project_id": "{projects:Array(UInt64)}[service + 1]",
    "is_segment": "j = 0",
    "category": "multiIf(j = 0, 'http', j >= 8, 'db', j = 7, 'cache', 'function')",
    "timestamp": "fromUnixTimestamp64Micro(toInt64(1e6 * {start:Float64} + 1e3 * after))",
    "received": "fromUnixTimestamp64Milli(toInt64(1e3 * {start:Float64} + after + duration_ms))",
    "retention_days": "90", "origin_partition": "0",
    "origin_offset": f"{_SALT} + b",
    "trace_id": f"toUUID('{TRACE_ID[:8]}-{TRACE_ID[8:12]}-{TRACE_ID[12:16]}-{TRACE_ID[16:20]}-{TRACE_ID[20:]}')",
    "span_id": span_id(f"{_SALT} + b", "j"),
    "parent_span_id": f"multiIf(b = 0 AND j = 0, 0, j = 0, {span_id(f'{_SALT} + intDiv(b - 1, 2)', '1')}, j >= 8, "
    f"{span_id(f'{_SALT} + b', '4')}, {span_id(f'{_SALT} + b', 'intDiv(j, 2)')})",
    "segment_id": span_id(f"{_SALT} + b", "0"),
    "event_id": "reinterpretAsUUID(concat(reinterpretAsFixedString(cityHash64(b, 42)), reinterpretAsFixedString(cityHash64(b, 43))))",
    "duration": "duration_ms", "self_time": "own_ms",
    "op": "multiIf(j = 0, 'http.server', j >= 8, 'db.sql.query', j = 7, 'cache.get', 'function')",
    "name": "op",
    "normalized_description": f"multiIf(j = 0, '', j >= 8, {texts(_QUERIES)}[1 + purpose % {len(_QUERIES)}], j = 7, 'GET product:*', "
    "concat('step ', toString(j), ' of import'))",
    "description": "multiIf(j = 0, transaction, j >= 8, replaceAll(normalized_description, '%s', toString(n)), j = 7, "
    "concat('product:', toString(n)), normalized_description)",
    "status": "if(cityHash64(n, 44) % 400 = 0, 'internal_error', 'ok')",
    "origin": "'manual'",
    "group_hash": "if(normalized_description = '', 0, cityHash64(op, normalized_description))",
    "action": "if(j >= 8, 'SELECT', '')",
    "system": "if(j >= 8, 'postgresql', '')",
    "domain": "if(j >= 8, splitByChar(' ', normalized_description)[4], '')",
    "transaction": "concat('GET /import/', toString(purpose))", "transaction_op": "'http.server'", "transaction_method": "'GET'",
    "transaction_source": "'route'", "environment": "'production'",
    "release": f"concat({texts(SERVICES)}[service + 1], '@1.6')",
    "platform": "'python'",
    "sdk_name": f"{texts(SDKS)}[service + 1]",
    "sdk_version": "'2.75.0'",
    "attributes_string": "map('thread.name', 'MainThread', 'server_name', concat('web-', toString(b % 7)))",
    "payload": "if(j = 0, '{\"type\":\"transaction\",\"contexts\":{}}', '')",
}  # fmt: skip
