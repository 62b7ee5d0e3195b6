-- One row per stored profile: of a transaction, or a chunk of a continuous one (`kind`; its `profile_id` is the chunk's
-- id then). The samples are in the blob store under `blob_key`. `timestamp` is the start, `duration` milliseconds.
CREATE TABLE IF NOT EXISTS profiles
(
    project_id UInt64,
    kind LowCardinality(String),
    timestamp DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    retention_days UInt16 DEFAULT 90,
    origin_partition UInt16,
    origin_offset UInt64 CODEC(Delta, ZSTD(1)),

    profile_id UUID CODEC(ZSTD(1)),
    profiler_id UUID CODEC(ZSTD(1)),
    event_id UUID CODEC(ZSTD(1)),
    trace_id UUID CODEC(ZSTD(1)),
    span_id UInt64 CODEC(ZSTD(1)),
    thread_id String CODEC(ZSTD(1)),

    duration Float64 CODEC(ZSTD(1)),
    transaction LowCardinality(String),
    environment LowCardinality(String),
    release LowCardinality(String),
    platform LowCardinality(String),
    sdk_name LowCardinality(String),
    sdk_version LowCardinality(String),
    runtime LowCardinality(String),
    os_name LowCardinality(String),
    os_version LowCardinality(String),
    device_model LowCardinality(String),

    sample_count UInt32,
    thread_count UInt32,
    blob_key String CODEC(ZSTD(1)),
    blob_bytes UInt32,

    INDEX by_profile profile_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_profiler profiler_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_event event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project_id, kind, toStartOfHour(timestamp), profile_id)
TTL toDateTime(timestamp) + toIntervalDay(retention_days)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 0, min_bytes_for_wide_part = 10485760,
    non_replicated_deduplication_window = 1000;

-- One row per function of a profile: nanoseconds in the function itself and until it returned.
CREATE TABLE IF NOT EXISTS profile_functions
(
    project_id UInt64,
    timestamp DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    retention_days UInt16 DEFAULT 90,
    origin_partition UInt16,
    origin_offset UInt64 CODEC(Delta, ZSTD(1)),

    profile_id UUID CODEC(ZSTD(1)),
    profiler_id UUID CODEC(ZSTD(1)),
    fingerprint UInt64,
    function LowCardinality(String),
    package LowCardinality(String),
    file LowCardinality(String),
    in_app UInt8,
    platform LowCardinality(String),
    transaction LowCardinality(String),
    environment LowCardinality(String),
    release LowCardinality(String),

    self_ns UInt64 CODEC(ZSTD(1)),
    total_ns UInt64 CODEC(ZSTD(1)),
    samples UInt32 CODEC(ZSTD(1)),

    INDEX by_function fingerprint TYPE bloom_filter(0.01) GRANULARITY 2,
    INDEX by_origin origin_offset TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project_id, in_app, toStartOfHour(timestamp), fingerprint)
TTL toDateTime(timestamp) + toIntervalDay(retention_days)
SETTINGS index_granularity = 4096, ttl_only_drop_parts = 0, min_bytes_for_wide_part = 10485760,
    non_replicated_deduplication_window = 1000;
