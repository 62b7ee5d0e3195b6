-- Run by ClickHouse's image once, when its data folder is empty. The name is SENTRY_CLICKHOUSE_DATABASE of
-- docker-compose.dev.yml. The tables come later, from `dictamesh-sentry upgrade`: the product owns its schema.
CREATE DATABASE IF NOT EXISTS sentry
    COMMENT 'Events of DictaMesh Sentry; schema by dictamesh-sentry upgrade';
