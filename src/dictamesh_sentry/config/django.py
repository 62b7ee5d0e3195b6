"""Django settings, derived from the one typed Settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dictamesh_sentry.config.load import config_folder, get_settings, secret_key

PACKAGE = Path(__file__).resolve().parent.parent
_settings = get_settings()
_settings.data_dir.mkdir(parents=True, exist_ok=True)

SECRET_KEY = secret_key(_settings)
DEBUG = False
ALLOWED_HOSTS = ["*"]  # every absolute link is built from url_prefix, never from the Host header
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
ROOT_URLCONF = "dictamesh_sentry.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "/auth/login/"
LOGIN_REDIRECT_URL = "/"
APPEND_SLASH = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "dictamesh_sentry.accounts",
    "dictamesh_sentry.organizations",
    "dictamesh_sentry.projects",
    "dictamesh_sentry.releases",
    "dictamesh_sentry.issues",
    "dictamesh_sentry.feedback",
    "dictamesh_sentry.profiling",
    "dictamesh_sentry.tracing",
    "dictamesh_sentry.quotas",
    "dictamesh_sentry.processing",
    "dictamesh_sentry.ops",
    "dictamesh_sentry.web",
]

MIDDLEWARE = [
    "dictamesh_sentry.web.middleware.ServerTimingMiddleware",
    "dictamesh_sentry.web.middleware.SecurityHeadersMiddleware",
    "dictamesh_sentry.accounts.client_address.ClientAddressMiddleware",
    "dictamesh_sentry.api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dictamesh_sentry.web.middleware.PageMiddleware",
]
CSRF_FAILURE_VIEW = "dictamesh_sentry.web.error_pages.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "web" / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dictamesh_sentry.web.context_processors.page",
            ],
            "builtins": ["dictamesh_sentry.web.templatetags.ui", "dictamesh_sentry.web.templatetags.issue_ui"],
        },
    }
]


def _database() -> dict[str, Any]:
    """PostgreSQL when a host is configured, otherwise SQLite in WAL mode."""
    if _settings.postgres_host:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": _settings.postgres_host,
            "PORT": _settings.postgres_port,
            "NAME": _settings.db_name,
            "USER": _settings.db_user,
            "PASSWORD": _settings.db_password,
            # The pool asks a connection whether it is alive before it hands it out: a restarted server costs nobody an
            # error.
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                "pool": {"min_size": 1, "max_size": _settings.db_pool_size, "timeout": 10, "max_idle": 300},
                "sslmode": _settings.db_sslmode,
                **({"sslrootcert": _settings.db_ca_cert} if _settings.db_ca_cert else {}),
                "connect_timeout": 5,
                # A query or a lock that takes longer is a defect; better one failed request than all of them waiting.
                "options": f"-c statement_timeout={_settings.db_statement_timeout * 1000}"
                f" -c lock_timeout={_settings.db_lock_timeout * 1000} -c idle_in_transaction_session_timeout=60000",
            },
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _settings.data_dir / "metadata.sqlite3",
        "OPTIONS": {
            "timeout": 30,
            # IMMEDIATE: a transaction that reads before it writes cannot fail later with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA foreign_keys=ON;"
                "PRAGMA mmap_size=134217728;PRAGMA cache_size=-8000;PRAGMA temp_store=MEMORY;"
            ),
        },
        "TEST": {"NAME": _settings.data_dir / "test-metadata.sqlite3"},
    }


DATABASES = {"default": _database()}
if _settings.redis_host:
    CACHES = {
        "default": {
            "BACKEND": "dictamesh_sentry.redis_cache.Cache",
            "LOCATION": "redis://",
            "KEY_PREFIX": "dictamesh-sentry",
        }
    }
    # The database keeps the sessions; Redis saves asking it for one at every request.
    SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

STATIC_URL = "/_static/"
STATICFILES_DIRS = [PACKAGE / "web" / "static"]
SESSION_COOKIE_NAME = "sentrysid"
SESSION_COOKIE_AGE = _settings.auth_session_days * 86400
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _settings.public_url.startswith("https://")
CSRF_COOKIE_NAME = "sc"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
CSRF_TRUSTED_ORIGINS = [_settings.public_url]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

EMAIL_BACKEND = {
    "console": "django.core.mail.backends.console.EmailBackend",
    "smtp": "django.core.mail.backends.smtp.EmailBackend",
    "dummy": "django.core.mail.backends.dummy.EmailBackend",
}[_settings.mail_backend]
EMAIL_HOST = _settings.mail_host
EMAIL_PORT = _settings.mail_port
EMAIL_HOST_USER = _settings.mail_username
EMAIL_HOST_PASSWORD = _settings.mail_password
EMAIL_USE_TLS = _settings.mail_use_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _settings.mail_from
LOGGING_CONFIG = None


def _apply_conf_hook() -> None:
    """Run ``sentry.conf.py`` of ``SENTRY_CONF`` over these settings; upper-case names it sets win."""
    folder = config_folder()
    path = folder / "sentry.conf.py" if folder else None
    if path is None or not path.is_file():
        return
    namespace = {name: value for name, value in globals().items() if name.isupper()}
    namespace["__file__"] = str(path)
    exec(compile(path.read_text(), str(path), "exec"), namespace)  # noqa: S102 - the operator's own configuration file
    globals().update({name: value for name, value in namespace.items() if name.isupper()})


_apply_conf_hook()
