"""Settings: what the environment may say, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rights import settings as module
from rights.settings import (
    Settings,
    SettingsError,
    is_loopback,
    load_settings,
    settings_table,
    unknown_variables,
)

UNITS = (
    "_hours",
    "_seconds",
    "_milliseconds",
    "_bytes",
    "_size",
    "_length",
    "_attempts",
    "_budget",
    "_per_worker",
    "_per_connection",
    "_per_second",
)
COUNTS = ("per_member", "port", "workers", "max_rows")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(module.variable(name), raising=False)


def test_defaults_are_valid_and_local() -> None:
    settings = load_settings()
    assert settings.address == "127.0.0.1:50051"
    assert settings.workers >= 1
    assert not settings.authenticates


def test_every_setting_is_described_and_ranged() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        if field.annotation in (int, float):
            rules = {type(rule).__name__ for rule in field.metadata}
            assert rules & {"Ge", "Gt"}, name
            assert "Le" in rules, name
            assert any(name.endswith(unit) for unit in UNITS + COUNTS), f"{name} has no unit"


def test_a_worker_reads_the_settings_of_its_supervisor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("x" * 64)
    parent = load_settings(
        port=7,
        workers=3,
        database_url="postgresql://u:p@h/d",
        quote_key_file=key,
        jwt_algorithms="RS256,EdDSA",
    )
    for name, value in parent.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == parent


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"port": 70_000}, "RIGHTS_PORT=70000: should be less than or equal to 65535"),
        ({"workers": "many"}, "RIGHTS_WORKERS='many'"),
        ({"tls_certificate_file": "a.pem"}, "without RIGHTS_TLS_KEY_FILE"),
        ({"tls_key_file": "a.pem"}, "without RIGHTS_TLS_CERTIFICATE_FILE"),
        ({"tls_client_ca_file": "a.pem"}, "mTLS is TLS first"),
        ({"host": "0.0.0.0"}, "nothing identifies callers"),
        ({"host": "0.0.0.0", "jwt_key_file": "a.pem"}, "in plaintext"),
        ({"allow_insecure": "perhaps"}, "RIGHTS_ALLOW_INSECURE='perhaps'"),
        ({"jwt_algorithms": "HS256,RS256"}, "cannot be mixed"),
        ({"jwt_algorithms": "none"}, "none: allowed are"),
        ({"max_batch_size": 100, "max_queue_length": 10}, "RIGHTS_MAX_BATCH_SIZE is above"),
        ({"database_reconnect_backoff_min_milliseconds": 3000}, "BACKOFF_MIN_MILLISECONDS is above"),
        ({"database_url": "mysql://root:secret@db/x"}, "RIGHTS_DATABASE_URL: must begin with postgresql://"),
    ],
)
def test_mistakes_are_told_by_variable(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(port=-1, metrics_port=-1)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"host": "0.0.0.0", "allow_insecure": True},
        {"host": "::1"},
        {"host": "127.8.9.1"},
        {"host": "0.0.0.0", "jwt_key_file": "k", "tls_certificate_file": "c", "tls_key_file": "k"},
        {"host": "10.0.0.1", "tls_client_ca_file": "a", "tls_certificate_file": "c", "tls_key_file": "k"},
    ],
)
def test_combinations_that_are_safe_or_asked_for(given: dict[str, Any]) -> None:
    load_settings(**given)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("db", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_files_are_checked_before_serving(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"RIGHTS_JWT_KEY_FILE=.*No such file"):
        load_settings(jwt_key_file=tmp_path / "absent").check_files()


def test_a_short_quote_key_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"x" * 31)
    with pytest.raises(SettingsError, match=r"RIGHTS_QUOTE_KEY_FILE=.*32 bytes or more, this file 31"):
        load_settings(quote_key_file=key).check_files()
    key.write_bytes(b"x" * 32)
    load_settings(quote_key_file=key).check_files()


def test_a_missing_database_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match=r"RIGHTS_DATABASE_URL.*--embedded"):
        load_settings().require_database_url()


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_JWT_KEY_FILE", "")
    monkeypatch.setenv("RIGHTS_PORT", "")
    assert load_settings().jwt_key_file is None


def test_misspelled_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHTS_WORKER", "3")
    assert "RIGHTS_WORKER" in unknown_variables()


def test_env_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "absent.env")
    (tmp_path / "some.env").write_text("RIGHTS_PORT=7\nOTHER=1\n")
    assert load_settings(tmp_path / "some.env").port == 7


def test_table_has_a_row_for_each_setting_and_no_machine_in_it() -> None:
    table = settings_table()
    assert len(table.splitlines()) == len(Settings.model_fields) + 2
    assert "| `RIGHTS_WORKERS` | one per core | 1..256 |" in table
    assert "| `RIGHTS_LOG_FORMAT` | `auto` | auto, json, console |" in table


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(load_settings(database_url="postgresql://u:secret@h/d"))
