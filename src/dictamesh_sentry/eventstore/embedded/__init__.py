"""The embedded event store: the ClickHouse engine in one process, behind ClickHouse's HTTP protocol on loopback."""
