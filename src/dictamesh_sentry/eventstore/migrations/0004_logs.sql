-- One row per log record. `timestamp` has nanoseconds, so that records of one moment keep their order.
CREATE TABLE IF NOT EXISTS logs
(
    project_id UInt64,
    item_id UUID CODEC(ZSTD(1)),
    timestamp DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    retention_days UInt16 DEFAULT 90,
    origin_partition UInt16,
    origin_offset UInt64 CODEC(Delta, ZSTD(1)),

    trace_id UUID CODEC(ZSTD(1)),
    span_id UInt64 CODEC(ZSTD(1)),
    severity LowCardinality(String),
    severity_number UInt8,
    message String CODEC(ZSTD(1)),
    environment LowCardinality(String),
    release LowCardinality(String),
    platform LowCardinality(String),
    sdk_name LowCardinality(String),
    sdk_version LowCardinality(String),
    origin LowCardinality(String),
    user String CODEC(ZSTD(1)),
    replay_id String CODEC(ZSTD(1)),
    payload_size UInt32,
    attributes_string Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attributes_number Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),

    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_item item_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_origin origin_offset TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_word message TYPE tokenbf_v1(8192, 3, 0) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project_id, toStartOfHour(timestamp), timestamp)
TTL toDateTime(timestamp) + toIntervalDay(retention_days)
SETTINGS index_granularity = 4096, ttl_only_drop_parts = 0, min_bytes_for_wide_part = 10485760,
    non_replicated_deduplication_window = 1000;
