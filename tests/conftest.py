"""Every test process works in its own data folder; nothing outside it is touched."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_data_dir = tempfile.mkdtemp(prefix="dictamesh-test-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
for name in [name for name in os.environ if name.startswith("SENTRY_")]:
    del os.environ[name]
os.environ["SENTRY_DATA_DIR"] = _data_dir
os.environ["SENTRY_MAIL_BACKEND"] = "dummy"
