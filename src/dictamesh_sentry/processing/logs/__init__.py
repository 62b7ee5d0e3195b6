"""Log records, in every form they arrive in, to rows. Pure."""

from dictamesh_sentry.processing.logs.read import LogRecord, read_container, read_export
from dictamesh_sentry.processing.logs.rows import COLUMNS, ITEM_ID, build_row

__all__ = ["COLUMNS", "ITEM_ID", "LogRecord", "build_row", "read_container", "read_export"]
