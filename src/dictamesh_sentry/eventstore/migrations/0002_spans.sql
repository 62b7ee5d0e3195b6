-- One row per span. A transaction is a segment (`is_segment` = 1) with its children; spans sent on their own and
-- OpenTelemetry spans are the same rows. `timestamp` is the start; `duration` and `self_time` are milliseconds. Ids of 16
-- hexadecimal digits are kept as numbers, 0 meaning none. `sample_weight` says how many spans one row stands for.
CREATE TABLE IF NOT EXISTS spans
(
    project_id UInt64,
    is_segment UInt8,
    category LowCardinality(String),
    timestamp DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    retention_days UInt16 DEFAULT 90,
    origin_partition UInt16,
    origin_offset UInt64 CODEC(Delta, ZSTD(1)),

    trace_id UUID CODEC(ZSTD(1)),
    span_id UInt64 CODEC(ZSTD(1)),
    parent_span_id UInt64 CODEC(ZSTD(1)),
    segment_id UInt64 CODEC(ZSTD(1)),
    event_id UUID CODEC(ZSTD(1)),

    duration Float64 CODEC(ZSTD(1)),
    self_time Float64 CODEC(ZSTD(1)),
    op LowCardinality(String),
    name LowCardinality(String),
    description String CODEC(ZSTD(1)),
    status LowCardinality(String),
    status_code LowCardinality(String),
    origin LowCardinality(String),

    group_hash UInt64 CODEC(ZSTD(1)),
    normalized_description LowCardinality(String),
    action LowCardinality(String),
    domain LowCardinality(String),
    system LowCardinality(String),

    transaction LowCardinality(String),
    transaction_op LowCardinality(String),
    transaction_method LowCardinality(String),
    transaction_source LowCardinality(String),
    environment LowCardinality(String),
    release LowCardinality(String),
    dist LowCardinality(String),
    platform LowCardinality(String),
    sdk_name LowCardinality(String),
    sdk_version LowCardinality(String),

    user String CODEC(ZSTD(1)),
    user_hash UInt64 MATERIALIZED if(user = '', 0, cityHash64(user)),
    user_id String CODEC(ZSTD(1)),
    user_email String CODEC(ZSTD(1)),
    user_username String CODEC(ZSTD(1)),
    user_ip String CODEC(ZSTD(1)),
    geo_country_code LowCardinality(String),
    browser_name LowCardinality(String),
    os_name LowCardinality(String),
    device_class LowCardinality(String),

    profile_id String CODEC(ZSTD(1)),
    profiler_id String CODEC(ZSTD(1)),
    thread_id String CODEC(ZSTD(1)),
    replay_id String CODEC(ZSTD(1)),

    sample_weight Float64 DEFAULT 1 CODEC(ZSTD(1)),
    attributes_string Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attributes_number Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    links String CODEC(ZSTD(1)),
    payload String CODEC(ZSTD(1)),

    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_span span_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_group group_hash TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_origin origin_offset TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (is_segment, project_id, category, toStartOfHour(timestamp), trace_id)
TTL toDateTime(timestamp) + toIntervalDay(retention_days)
SETTINGS index_granularity = 4096, ttl_only_drop_parts = 0, min_bytes_for_wide_part = 10485760,
    non_replicated_deduplication_window = 1000;
