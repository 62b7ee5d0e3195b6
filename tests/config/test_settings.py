"""Settings: sources and their order, errors that name the key and the fix, a complete reference page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.config.checks import problems
from dictamesh_sentry.config.load import (
    ConfigError,
    build_settings,
    field_sources,
    get_settings,
    read_options,
    secret_key,
)
from dictamesh_sentry.config.reference import reference_page

ROOT = Path(__file__).resolve().parents[2]


def test_environment_wins_over_config_file_over_default(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("mail:\n  host: file.example\n  port: 2525\nsystem.event-retention-days: 30\n")
    options = read_options(tmp_path)
    settings = build_settings({"SENTRY_EMAIL_HOST": "env.example"}, options)
    assert settings.mail_host == "env.example"
    assert settings.mail_port == 2525
    assert settings.event_retention_days == 30
    assert settings.port == 9000


def test_nested_and_dotted_options_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("filestore:\n  options:\n    location: /srv/blobs\n")
    assert read_options(tmp_path) == {"filestore.options.location": "/srv/blobs"}


@pytest.mark.parametrize(
    ("environ", "options", "expected"),
    [
        ({"SENTRY_PORT": "nine"}, {}, "SENTRY_PORT"),
        ({"SENTRY_PORT": "70000"}, {}, "SENTRY_PORT"),
        ({"SENTRY_EVENT_RETENTION_DAYS": "0"}, {}, "SENTRY_EVENT_RETENTION_DAYS"),
        ({"SENTRY_MAIL_BACKEND": "pigeon"}, {}, "SENTRY_MAIL_BACKEND"),
        ({}, {"mail.prot": 25}, "mail.prot"),
        ({}, {"mail.port": "many"}, "mail.port"),
    ],
)
def test_a_wrong_value_is_named(environ: dict[str, str], options: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        build_settings(environ, options)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build_settings({"SENTRY_PORT": "x", "SENTRY_BEACON": "perhaps"}, {})
    assert "SENTRY_PORT" in str(caught.value)
    assert "SENTRY_BEACON" in str(caught.value)


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"mail\.host"):
        build_settings({}, {"mail.hots": "x"})


def test_yaml_that_is_not_a_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="mapping"):
        read_options(tmp_path)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SENTRY_POSTGRES_HOST": "db"}, "SENTRY_DB_PASSWORD"),
        ({"SENTRY_URL_PREFIX": "sentry.example"}, "system.url-prefix"),
        ({"SENTRY_EMAIL_USER": "me"}, "mail.password"),
        ({"SENTRY_DB_PASSWORD": "x"}, "SENTRY_POSTGRES_HOST"),
        ({"SENTRY_DB_SSLMODE": "verify-full"}, "SENTRY_DB_CA_CERT"),
        ({"SENTRY_CLICKHOUSE_PASSWORD": "x"}, "SENTRY_CLICKHOUSE_HOST"),
        ({"SENTRY_CLICKHOUSE_CLUSTER": "main"}, "SENTRY_CLICKHOUSE_HOST"),
        ({"SENTRY_CLICKHOUSE_SECURE": "yes"}, "SENTRY_CLICKHOUSE_HOST"),
        ({"SENTRY_CLICKHOUSE_HOST": "c", "SENTRY_CLICKHOUSE_CA_CERT": "/"}, "SENTRY_CLICKHOUSE_SECURE"),
        ({"SENTRY_STORE_HOST": "0.0.0.0"}, "SENTRY_STORE_PASSWORD"),
        ({"SENTRY_KAFKA_HOSTS": "redpanda"}, "host:port"),
        ({"SENTRY_KAFKA_HOSTS": "a:1,b"}, "host:port"),
        ({"SENTRY_KAFKA_SECURITY_PROTOCOL": "ssl"}, "SENTRY_KAFKA_HOSTS"),
        ({"SENTRY_KAFKA_HOSTS": "a:1", "SENTRY_KAFKA_SECURITY_PROTOCOL": "sasl_ssl"}, "SENTRY_KAFKA_SASL_PASSWORD"),
        ({"SENTRY_KAFKA_HOSTS": "a:1", "SENTRY_KAFKA_SASL_USERNAME": "me"}, "SENTRY_KAFKA_SECURITY_PROTOCOL"),
        ({"SENTRY_KAFKA_HOSTS": "a:1", "SENTRY_KAFKA_CA_CERT": "/missing.pem"}, "/missing.pem"),
        ({"SENTRY_REDIS_PASSWORD": "x"}, "SENTRY_REDIS_HOST"),
        ({"SENTRY_REDIS_HOST": "a,b"}, "SENTRY_REDIS_MODE"),
        ({"SENTRY_REDIS_HOST": "a,b", "SENTRY_REDIS_MODE": "sentinel"}, "SENTRY_REDIS_SENTINEL_MASTER"),
        ({"SENTRY_REDIS_HOST": "a", "SENTRY_REDIS_MODE": "cluster", "SENTRY_REDIS_DB": "1"}, "SENTRY_REDIS_DB"),
        ({"SENTRY_FILESTORE_BACKEND": "s3"}, "bucket_name"),
        ({"SENTRY_FILESTORE_BUCKET": "files"}, "filestore.backend"),
        (
            {"SENTRY_FILESTORE_BACKEND": "s3", "SENTRY_FILESTORE_BUCKET": "b", "SENTRY_FILESTORE_ACCESS_KEY": "k"},
            "secret_key",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "jaeger:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
def test_combinations_that_cannot_work_say_the_fix(environ: dict[str, str], expected: str) -> None:
    found = [problem for problem in problems(build_settings(environ, {})) if expected in problem]
    assert len(found) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SENTRY_POSTGRES_HOST": "db", "SENTRY_DB_PASSWORD": "x"},
        {"SENTRY_CLICKHOUSE_HOST": "c"},
        {"SENTRY_KAFKA_HOSTS": "a:9092,b:9092"},
        {"SENTRY_REDIS_HOST": "r"},
        {"SENTRY_FILESTORE_BACKEND": "s3", "SENTRY_FILESTORE_BUCKET": "b"},
    ],
)
def test_each_backend_is_chosen_on_its_own(environ: dict[str, str]) -> None:
    assert problems(build_settings(environ, {})) == []


def test_a_process_with_half_a_configuration_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_POSTGRES_HOST", "db")
    monkeypatch.delenv("SENTRY_DB_PASSWORD", raising=False)
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match="SENTRY_DB_PASSWORD"):
        get_settings()
    monkeypatch.undo()
    get_settings.cache_clear()


def test_the_generated_key_is_kept_and_private(tmp_path: Path) -> None:
    settings = build_settings({"SENTRY_DATA_DIR": str(tmp_path)}, {})
    first = secret_key(settings)
    assert len(first) >= 50
    assert secret_key(settings) == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_the_reference_page_is_complete() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == reference_page(), "regenerate: python -m dictamesh_sentry.config.reference > docs/settings.md"
    for meta in field_sources().values():
        assert meta["env"]
        assert f"`{meta['env']}`" in page


def test_every_environment_variable_is_declared() -> None:
    """A SENTRY_* variable that the code reads without declaring it would be an undocumented setting."""
    declared = {meta["env"] for meta in field_sources().values()} | {"SENTRY_CONF"}
    read = set()
    for source in (ROOT / "src").rglob("*.py"):
        read |= set(re.findall(r"environ(?:\.get\(|\[)\s*[\"'](SENTRY_[A-Z_]+)", source.read_text()))
    assert read <= declared


@given(st.dictionaries(st.sampled_from([m["env"] for m in field_sources().values() if m["env"]]), st.text(max_size=20)))
def test_arbitrary_environments_give_settings_or_a_clear_error(environ: dict[str, str]) -> None:
    try:
        build_settings(environ, {})
    except ConfigError as error:
        message = str(error)
    else:
        return
    assert any(name in message for name in environ)
