"""Switching detectors off for the whole installation."""

from __future__ import annotations

from typing import Any

import pytest

from dictamesh_sentry.config.load import build_settings
from dictamesh_sentry.processing.detectors import DETECTORS
from dictamesh_sentry.projects import queries
from dictamesh_sentry.projects.queries import build_config
from tests.support.factories import make_organization, make_project

KEY = "performance.issues.n_plus_one_db.problem-creation"


def test_every_detector_has_its_switch() -> None:
    for detector in DETECTORS:
        key = f"performance.issues.{detector.name}.problem-creation"
        assert build_settings({}, {key: 0}).switched_off_detectors == [detector.name]
        assert build_settings({}, {key: 1.0}).switched_off_detectors == []


@pytest.mark.django_db
@pytest.mark.parametrize("value", [0, 0.0, False])
def test_config_yml_switches_one_off(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    found = build_settings({}, {KEY: value})
    monkeypatch.setattr(queries, "get_settings", lambda: found)
    config = build_config(make_project(make_organization()))
    assert not config.options.performance.detectors["n_plus_one_db"].enabled


@pytest.mark.django_db
def test_sentry_conf_py_switches_one_off(settings: Any) -> None:
    project = make_project(make_organization())
    assert build_config(project).options.performance.detectors == {}
    settings.SENTRY_OPTIONS = {KEY: 0.0, "system.url-prefix": ""}
    assert list(build_config(project).options.performance.detectors) == ["n_plus_one_db"]
