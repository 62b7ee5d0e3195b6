"""Unmodified SDKs in plain programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.sdk.checks import Reports
from tests.sdk.conftest import EXAMPLES
from tests.support.requirements import require
from tests.support.server import Server

pytestmark = pytest.mark.sdk


@pytest.mark.parametrize("language", ["python", "node"])
def test_plain_program(server: Server, language: str) -> None:
    if language == "python":
        command = [sys.executable, "scenarios.py"]
        title, function = "PaymentDeclinedError", "charge"
    else:
        command = [require("node"), "scenarios.mjs"]
        title, function = "PaymentDeclinedError", "charge"
    project = server.create_project(f"{language} plain", language)
    environment = {**os.environ, "SENTRY_DSN": project["dsn"]}
    subprocess.run(command, cwd=EXAMPLES / f"{language}-plain", env=environment, check=True, timeout=90)
    reports = Reports(server, project["slug"])
    reports.check_error(title, chained=True, function=function)
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    reports.check_feedback()
    reports.check_burst(300)
