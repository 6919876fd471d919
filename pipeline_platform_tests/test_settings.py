"""Settings: wrong values name their variable and say what to do, secrets are never shown, nothing else is read."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline_platform.operate.alert_settings import AlertSettings
from pipeline_platform.settings import (
    Settings,
    SettingsError,
    known_variables,
    load_settings,
    missing_credentials,
    source_settings,
)
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.registry import SOURCES

SECRET = "open-sesame-4711"
WITH_CREDENTIALS = [source for source in SOURCES if source.credentials]

every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
every_credential = pytest.mark.parametrize(
    ("source", "setting"),
    [(source, credential.setting) for source in WITH_CREDENTIALS for credential in source.credentials],
    ids=lambda value: value if isinstance(value, str) else value.name,
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without `.env`, which settings are read from as well."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def variable(source: Source, setting: str) -> str:
    return f"PIPELINE_{source.name.upper()}__{setting.upper()}"


def test_without_settings_it_is_the_demo_in_a_folder_of_the_present_one(elsewhere: Path) -> None:
    settings = load_settings()
    assert settings.mode == "demo"
    assert settings.home.absolute() == elsewhere / ".pipeline"
    assert settings.lake_location == str(elsewhere / ".pipeline/lake")
    assert settings.exports_path == elsewhere / ".pipeline/exports"
    assert settings.first_moment == datetime(2026, 1, 1, tzinfo=UTC)
    assert settings.postgres_url is settings.redis_url is settings.pseudonym_key is None


def test_the_environment_and_the_env_file_are_read_in_that_order(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text("PIPELINE_START_DATE=2025-03-01\nPIPELINE_MODE=live\nPIPELINE_RSS__ENABLED=false\n")
    monkeypatch.setenv("PIPELINE_MODE", "demo")
    monkeypatch.setenv("PIPELINE_LAKE_URL", "s3://bucket/lake")
    settings = load_settings()
    assert (settings.mode, settings.start_date) == ("demo", date(2025, 3, 1))
    assert settings.lake_location == "s3://bucket/lake"
    assert not source_settings(next(source for source in SOURCES if source.name == "rss")).enabled


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIPELINE_MODE", "production"),
        ("PIPELINE_START_DATE", "yesterday"),
        ("PIPELINE_START_DATE", "2026-13-01"),
        ("PIPELINE_DEDUP_LOOKBACK_DAYS", "-1"),
        ("PIPELINE_DEDUP_LOOKBACK_DAYS", "many"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"(?s){name}: .*\.env\.example"):
        load_settings()


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODE", "production")
    monkeypatch.setenv("PIPELINE_START_DATE", "soon")
    with pytest.raises(SettingsError, match=r"(?s)MODE.*START_DATE"):
        load_settings()


@pytest.mark.parametrize("name", ["POSTGRES_URL", "REDIS_URL", "PSEUDONYM_KEY"])
def test_secrets_of_the_platform_are_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PIPELINE_{name}", SECRET)
    settings = load_settings()
    assert getattr(settings, name.lower()).get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert SECRET not in shown
    monkeypatch.setenv("PIPELINE_MODE", "production")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert SECRET not in str(caught.value)


@every_source
def test_a_source_reads_its_own_variables(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_settings(source) == source.settings()
    monkeypatch.setenv(variable(source, "enabled"), "false")
    monkeypatch.setenv(variable(source, "base_url"), "https://proxy.example/api")
    monkeypatch.setenv(variable(source, "requests_per_minute"), "7")
    settings = source_settings(source)
    assert isinstance(settings, source.settings)
    assert (settings.enabled, settings.base_url, settings.requests_per_minute) == (
        False,
        "https://proxy.example/api",
        7,
    )


@every_source
@pytest.mark.parametrize(
    ("setting", "value"),
    [("enabled", "perhaps"), ("lookback_days", "0"), ("requests_per_minute", "-3"), ("requests_per_minute", "some")],
)
def test_a_wrong_value_of_a_source_names_its_variable(
    source: Source, setting: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(source, setting), value)
    with pytest.raises(SettingsError, match=f"{variable(source, setting)}: "):
        source_settings(source)


@every_source
def test_a_watch_list_that_is_no_json_names_its_variable(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [name for name, field in source.settings.model_fields.items() if str(field.annotation).startswith("list")]
    for name in lists:
        monkeypatch.setenv(variable(source, name), "one, two")
        with pytest.raises(SettingsError, match=rf"{variable(source, name)}: is not JSON; write a list as"):
            source_settings(source)
        monkeypatch.delenv(variable(source, name))


@every_credential
def test_credentials_are_secret_and_missed_only_when_required(
    source: Source, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    required = {credential.setting for credential in source.credentials if credential.required}
    assert missing_credentials(source) == [
        variable(source, credential.setting) for credential in source.credentials if credential.required
    ]
    monkeypatch.setenv(variable(source, setting), SECRET)
    assert variable(source, setting) not in missing_credentials(source)
    assert len(missing_credentials(source)) == len(required - {setting})
    assert SECRET not in repr(source_settings(source))
    monkeypatch.setenv(variable(source, "lookback_days"), "0")
    with pytest.raises(SettingsError) as caught:
        source_settings(source)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None, "the error of the library shows the values"


def test_an_empty_credential_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    source, setting = next(
        (source, credential.setting)
        for source in WITH_CREDENTIALS
        for credential in source.credentials
        if credential.required
    )
    monkeypatch.setenv(variable(source, setting), "")
    assert variable(source, setting) in missing_credentials(source)


def test_every_variable_is_known() -> None:
    known = known_variables(SOURCES)
    assert {"PIPELINE_HOME", "PIPELINE_MODE", "PIPELINE_POSTGRES_URL", "PIPELINE_REDIS_URL"} <= known
    assert {variable(source, name) for source in SOURCES for name in source.settings.model_fields} <= known
    assert all(name.startswith("PIPELINE_") and name == name.upper() for name in known)
    plain = {name for name in Settings.model_fields if name != "alerts"}
    own = len(plain) + len(AlertSettings.model_fields)
    assert len(known) == own + sum(len(source.settings.model_fields) for source in SOURCES)
    assert "PIPELINE_ALERTS" not in known
    assert all(field.description for field in [*Settings.model_fields.values(), *AlertSettings.model_fields.values()])


def test_a_wrong_setting_of_the_alerts_names_its_variable_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_ALERTS__SMTP_PORT", "mail")
    monkeypatch.setenv("PIPELINE_ALERTS__SLACK_WEBHOOK_URL", SECRET)
    with pytest.raises(SettingsError, match=r"(?s)PIPELINE_ALERTS__SMTP_PORT: .*PIPELINE_ALERTS__SLACK_WEB") as raised:
        load_settings()
    assert SECRET not in str(raised.value)


def test_places_are_added_to_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PIPELINE_PLACES", '[{"key": "ghent-be", "name": "Ghent", "country": "BE", "lat": 51, "lon": 3.7}]'
    )
    (place,) = load_settings().places
    assert (place.key, place.lat, place.names) == ("ghent-be", 51.0, ())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('[{"key": "a b", "name": "A", "country": "BE", "lat": 1, "lon": 2}]', r"PIPELINE_PLACES: 0\.key: .*pattern"),
        ('[{"key": "a", "name": "A", "country": "BE", "lat": 91, "lon": 2}]', r"PIPELINE_PLACES: 0\.lat: .*less than"),
        ('[{"key": "a", "name": "A", "country": "Belgium", "lat": 1, "lon": 2}]', r"PIPELINE_PLACES: 0\.country: "),
        ('[{"key": "a", "name": "A", "country": "BE"}]', r"PIPELINE_PLACES: 0\.lat: Field required"),
        (
            '[{"key": "a", "name": "A", "country": "BE", "lat": 1, "lon": 2},'
            ' {"key": "a", "name": "B", "country": "BE", "lat": 1, "lon": 2}]',
            "PIPELINE_PLACES: .*come twice: a",
        ),
        ("Ghent", "PIPELINE_PLACES: is not JSON"),
    ],
)
def test_a_wrong_place_is_named(value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_PLACES", value)
    with pytest.raises(SettingsError, match=words):
        load_settings()
