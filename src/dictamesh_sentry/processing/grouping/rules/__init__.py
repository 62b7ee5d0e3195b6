"""Projects' own rules: which fingerprint an event gets, and which frames count. Parsed once, cached by their text."""

from __future__ import annotations

from dictamesh_sentry.processing.grouping.rules.fingerprints import FingerprintRule, parse_fingerprint_rules
from dictamesh_sentry.processing.grouping.rules.stacktrace import StacktraceRule, parse_stacktrace_rules
from dictamesh_sentry.processing.grouping.rules.syntax import RuleError

__all__ = ["FingerprintRule", "RuleError", "StacktraceRule", "parse_fingerprint_rules", "parse_stacktrace_rules"]
