"""Which detectors of performance issues run in this installation (``performance.issues.*``)."""

from __future__ import annotations

from pydantic import BaseModel

from dictamesh_sentry.config.declare import setting

PREFIX = "performance_issues_"


class PerformanceIssueSettings(BaseModel):
    """One switch for each detector; a project can switch off what is on here."""

    performance_issues_n_plus_one_db: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_N_PLUS_ONE_DB",
        option="performance.issues.n_plus_one_db.problem-creation",
        doc="Look for this in transactions: N+1 queries. 0 switches it off everywhere.",
    )
    performance_issues_consecutive_db: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_CONSECUTIVE_DB",
        option="performance.issues.consecutive_db.problem-creation",
        doc="Look for this in transactions: Consecutive queries. 0 switches it off everywhere.",
    )
    performance_issues_slow_db_query: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_SLOW_DB_QUERY",
        option="performance.issues.slow_db_query.problem-creation",
        doc="Look for this in transactions: Slow queries. 0 switches it off everywhere.",
    )
    performance_issues_n_plus_one_api_calls: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_N_PLUS_ONE_API_CALLS",
        option="performance.issues.n_plus_one_api_calls.problem-creation",
        doc="Look for this in transactions: N+1 API calls. 0 switches it off everywhere.",
    )
    performance_issues_consecutive_http: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_CONSECUTIVE_HTTP",
        option="performance.issues.consecutive_http.problem-creation",
        doc="Look for this in transactions: Consecutive HTTP requests. 0 switches it off everywhere.",
    )
    performance_issues_large_http_payload: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_LARGE_HTTP_PAYLOAD",
        option="performance.issues.large_http_payload.problem-creation",
        doc="Look for this in transactions: Large HTTP payloads. 0 switches it off everywhere.",
    )
    performance_issues_http_overhead: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_HTTP_OVERHEAD",
        option="performance.issues.http_overhead.problem-creation",
        doc="Look for this in transactions: HTTP/1.1 overhead. 0 switches it off everywhere.",
    )
    performance_issues_uncompressed_assets: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_UNCOMPRESSED_ASSETS",
        option="performance.issues.uncompressed_assets.problem-creation",
        doc="Look for this in transactions: Uncompressed assets. 0 switches it off everywhere.",
    )
    performance_issues_render_blocking_assets: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_RENDER_BLOCKING_ASSETS",
        option="performance.issues.render_blocking_assets.problem-creation",
        doc="Look for this in transactions: Render-blocking assets. 0 switches it off everywhere.",
    )
    performance_issues_file_io_main_thread: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_FILE_IO_MAIN_THREAD",
        option="performance.issues.file_io_main_thread.problem-creation",
        doc="Look for this in transactions: File IO on the main thread. 0 switches it off everywhere.",
    )
    performance_issues_db_main_thread: bool = setting(
        True,
        env="SENTRY_PERFORMANCE_ISSUES_DB_MAIN_THREAD",
        option="performance.issues.db_main_thread.problem-creation",
        doc="Look for this in transactions: Database on the main thread. 0 switches it off everywhere.",
    )

    @property
    def switched_off_detectors(self) -> list[str]:
        """Names of the detectors that run nowhere."""
        names = [name for name in PerformanceIssueSettings.model_fields if name.startswith(PREFIX)]
        return [name.removeprefix(PREFIX) for name in names if not getattr(self, name)]
