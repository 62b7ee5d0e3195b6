-- One row per stored event. `origin_partition`/`origin_offset` name the stream message the row came from: a
-- replayed message finds its own row and is not stored again; a second message with the same event id is a duplicate.
CREATE TABLE IF NOT EXISTS events
(
    project_id UInt64,
    event_id UUID,
    timestamp DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    retention_days UInt16 DEFAULT 90,
    origin_partition UInt16,
    origin_offset UInt64 CODEC(Delta, ZSTD(1)),

    issue_id UInt64,
    primary_hash UUID,

    type LowCardinality(String),
    level LowCardinality(String),
    platform LowCardinality(String),
    environment LowCardinality(String),
    release LowCardinality(String),
    dist LowCardinality(String),
    logger LowCardinality(String),
    transaction String CODEC(ZSTD(1)),
    title String CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    culprit String CODEC(ZSTD(1)),
    location String CODEC(ZSTD(1)),

    user String CODEC(ZSTD(1)),
    user_hash UInt64 MATERIALIZED if(user = '', 0, cityHash64(user)),
    user_id String CODEC(ZSTD(1)),
    user_email String CODEC(ZSTD(1)),
    user_username String CODEC(ZSTD(1)),
    user_ip String CODEC(ZSTD(1)),
    geo_country_code LowCardinality(String),

    http_method LowCardinality(String),
    http_url String CODEC(ZSTD(1)),
    http_referer String CODEC(ZSTD(1)),
    sdk_name LowCardinality(String),
    sdk_version LowCardinality(String),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    replay_id String CODEC(ZSTD(1)),

    exception_types Array(LowCardinality(String)),
    exception_values Array(String) CODEC(ZSTD(1)),
    exception_mechanisms Array(LowCardinality(String)),
    handled Enum8('unknown' = -1, 'no' = 0, 'yes' = 1),
    main_thread Enum8('unknown' = -1, 'no' = 0, 'yes' = 1),
    stack_filenames Array(LowCardinality(String)),
    stack_abs_paths Array(LowCardinality(String)),
    stack_functions Array(LowCardinality(String)),
    stack_modules Array(LowCardinality(String)),
    stack_packages Array(LowCardinality(String)),

    tags Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    contexts Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    flags Map(LowCardinality(String), String) CODEC(ZSTD(1)),

    size UInt32,
    payload String CODEC(ZSTD(1)),

    INDEX by_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_issue issue_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_tag_values mapValues(tags) TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = MergeTree
PARTITION BY toMonday(timestamp)
ORDER BY (project_id, toStartOfDay(timestamp), primary_hash, timestamp)
TTL toDateTime(timestamp) + toIntervalDay(retention_days)
SETTINGS index_granularity = 2048, ttl_only_drop_parts = 0, min_bytes_for_wide_part = 10485760,
    non_replicated_deduplication_window = 1000;
