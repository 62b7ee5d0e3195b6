"""Python run over the Django settings when a role starts; upper-case names set here win.

The names of src/dictamesh_sentry/config/django.py are in scope. What is a setting or an option belongs in the
environment or in config.yml; this file is for what only Django knows.
"""

import sys

from dictamesh_sentry.config.load import get_settings

# PostgreSQL shows which role holds a connection: SELECT application_name, state, query FROM pg_stat_activity.
if DATABASES["default"]["ENGINE"].endswith("postgresql"):  # noqa: F821
    _role = "-".join(sys.argv[2:3] if sys.argv[1:2] == ["run"] else sys.argv[1:2]) or "command"
    DATABASES["default"]["OPTIONS"]["application_name"] = f"dictamesh-sentry {_role}"  # noqa: F821

# Behind a proxy that ends TLS, the proxy's word for it is believed and browsers are told to come back by TLS only.
# Plain http://localhost stays as it is.
_settings = get_settings()
if _settings.public_url.startswith("https://") and _settings.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
