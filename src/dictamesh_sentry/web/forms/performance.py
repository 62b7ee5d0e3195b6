"""A project's performance settings: Apdex, sampling, detectors."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dictamesh_sentry.processing.detectors import DETECTORS
from dictamesh_sentry.processing.detectors.problem import Threshold
from dictamesh_sentry.projects.options import DetectorOptions, PerformanceOptions, SamplingRule
from dictamesh_sentry.web.forms.base import LinesField, PageForm

MOST_RULES = 50
_KEYS = ("transaction", "environment", "release")


def parse_rule(line: str) -> SamplingRule:
    """``25% transaction:/health* environment:dev`` as a rule. Raises ValidationError that says what is wrong."""
    first, *conditions = line.split()
    try:
        rate = float(first.removesuffix("%")) / (100 if first.endswith("%") else 1)
    except ValueError:
        raise ValidationError(f"{line!r}: begin with the share that is kept, such as 25%.") from None
    if not 0 <= rate <= 1:
        raise ValidationError(f"{line!r}: the share lies between 0% and 100%.")
    rule = SamplingRule(rate=rate)
    for condition in conditions:
        key, colon, value = condition.partition(":")
        if key not in _KEYS or not colon or not value:
            raise ValidationError(f"{condition!r}: write transaction:, environment: or release: and a pattern.")
        setattr(rule, key, value[:200])
    return rule


def write_rule(rule: SamplingRule) -> str:
    """The line that ``parse_rule`` reads as this rule."""
    conditions = [f"{key}:{getattr(rule, key)}" for key in _KEYS if getattr(rule, key)]
    return " ".join([f"{rule.rate * 100:.6g}%", *conditions])


def _check_rule(line: str) -> str:
    parse_rule(line)
    return line


class PerformanceForm(PageForm):
    """``<detector>`` switches one on, ``<detector>__<threshold>`` is a number of it."""

    apdex_threshold = forms.IntegerField(
        label="Apdex threshold (ms)",
        min_value=1,
        max_value=600_000,
        help_text="Up to this long a transaction satisfies; up to four times as long it is tolerable.",
    )
    sampling_rules = LinesField(
        label="Sampling rules",
        check=_check_rule,
        help_text="One per line: the share that is kept, then what it is about. The first rule that matches decides."
        " 10% transaction:/health*, 50% environment:staging, 25%",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for detector in DETECTORS:
            self.fields[detector.name] = forms.BooleanField(
                label=detector.title, help_text=detector.description, required=False
            )
            for name, limit in detector.thresholds.items():
                self.fields[f"{detector.name}__{name}"] = _number_field(limit)

    @property
    def detectors(self) -> list[dict[str, Any]]:
        """Each detector's switch with its numbers, in order."""
        return [
            {
                "detector": detector,
                "switch": self[detector.name],
                "numbers": [self[f"{detector.name}__{name}"] for name in detector.thresholds],
            }
            for detector in DETECTORS
        ]

    def clean_sampling_rules(self) -> list[str]:
        """A bounded number of rules: each is tried on every transaction."""
        lines: list[str] = self.cleaned_data["sampling_rules"]
        if len(lines) > MOST_RULES:
            raise ValidationError(f"At most {MOST_RULES} rules.")
        return lines

    @staticmethod
    def initial_of(options: PerformanceOptions) -> dict[str, Any]:
        """What the form shows at first."""
        found: dict[str, Any] = {
            "apdex_threshold": options.apdex_threshold,
            "sampling_rules": [write_rule(rule) for rule in options.sampling_rules],
        }
        for detector in DETECTORS:
            chosen = options.detectors.get(detector.name, DetectorOptions())
            found[detector.name] = chosen.enabled
            for name, limit in detector.thresholds.items():
                found[f"{detector.name}__{name}"] = f"{chosen.thresholds.get(name, limit.default):.6g}"
        return found

    def apply(self, options: PerformanceOptions) -> PerformanceOptions:
        """The answer as options; thresholds that equal the defaults are left to them."""
        data = self.cleaned_data
        options.apdex_threshold = data["apdex_threshold"]
        options.sampling_rules = [parse_rule(line) for line in data["sampling_rules"]]
        chosen: dict[str, DetectorOptions] = {}
        for detector in DETECTORS:
            own = {
                name: data[f"{detector.name}__{name}"]
                for name, limit in detector.thresholds.items()
                if data[f"{detector.name}__{name}"] != limit.default
            }
            if own or not data[detector.name]:
                chosen[detector.name] = DetectorOptions(enabled=data[detector.name], thresholds=own)
        options.detectors = chosen
        return options


def _number_field(limit: Threshold) -> forms.FloatField:
    unit = "" if limit.unit == "count" else f" ({limit.unit})"
    return forms.FloatField(
        label=f"{limit.description[0].upper()}{limit.description[1:]}{unit}",
        min_value=limit.minimum,
        max_value=limit.maximum,
    )
