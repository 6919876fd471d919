"""The only reader of the environment. Every setting is `PIPELINE_<NAME>`, nested with `__`, also read from `.env`.

`Settings` holds what concerns the platform; the settings of a source are declared by the source and read here by
`source_settings`. A wrong value ends in a `SettingsError` that names the variable and says how to mend it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableValue

from pipeline_platform.dedup.cities import RegisteredPlace
from pipeline_platform.dedup.listings import Listing
from pipeline_platform.operate.alert_settings import AlertSettings
from pipeline_platform.sources.base import Source

PREFIX = "PIPELINE_"


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what to do."""


class Settings(BaseSettings):
    """Settings of the platform."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Path = Field(Path(".pipeline"), description="Folder of everything the platform keeps.")
    mode: Literal["demo", "live"] = Field(
        "demo", description="`demo` reads the built-in sandbox, `live` the real upstreams."
    )
    postgres_url: SecretStr | None = Field(None, description="PostgreSQL; an embedded server is started if unset.")
    redis_url: SecretStr | None = Field(None, description="Redis; an embedded server is started if unset.")
    lake_url: str | None = Field(None, description="Delta Lake: a path or s3://…; `$PIPELINE_HOME/lake` if unset.")
    s3_endpoint_url: str | None = Field(
        None, pattern=r"^https?://", description="Address of an object store that is not Amazon's, for the lake."
    )
    s3_region: str | None = Field(None, description="Region of the object store; `AWS_REGION` if unset.")
    s3_access_key_id: SecretStr | None = Field(
        None, description="Credentials of the object store; those that `AWS_…` variables or the machine give if unset."
    )
    s3_secret_access_key: SecretStr | None = Field(None, description="The secret that belongs to that key.")
    sandbox_url: str | None = Field(None, description="A running sandbox for demo mode; started if unset.")
    log_format: Literal["console", "json"] = Field(
        "console", description="`console` writes log lines for people, `json` one object a line for Loki or Elastic."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="Level from which log lines are written."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+[^?#]*$",
        validation_alias=AliasChoices(f"{PREFIX}OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces and metrics are sent by OTLP over HTTP, such as http://127.0.0.1:4318; nowhere if "
        "unset. `OTEL_EXPORTER_OTLP_ENDPOINT` means the same, and `OTEL_EXPORTER_OTLP_HEADERS` may hold a key.",
    )
    start_date: date = Field(date(2026, 1, 1), description="First day of the partitions.")
    pseudonym_key: SecretStr | None = Field(
        None, description="Key of the author pseudonyms; made and kept in `$PIPELINE_HOME` if unset."
    )
    api_key: SecretStr | None = Field(
        None, min_length=16, description="Key of the API; made and kept in `$PIPELINE_HOME/api.key` if unset."
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000",
        pattern=r"^https?://[^?#]+$",
        description="Webserver of Dagster, which the API asks; `pipeline-platform up` names its own.",
    )

    executor: Literal["in_process", "multiprocess", "celery"] = Field(
        "in_process",
        description="What executes the steps of a run: its own process, a process for each, or workers "
        "(`pipeline-platform worker`), also on other machines.",
    )
    executor_concurrency: int | None = Field(
        None,
        ge=1,
        description="Steps at once: of a run with `multiprocess`, of a worker with `celery`; one for every core if "
        "unset.",
    )
    queue_limit: int = Field(
        1000,
        ge=1,
        description="Steps that may wait in a queue of the workers; beyond, steps wait in their run and schedules "
        "skip their tick.",
    )
    worker_wait_seconds: int = Field(
        300, ge=1, description="Seconds that a step waits while no worker serves its queue, before the run fails."
    )

    dedup_lookback_days: int = Field(3, ge=0, le=90, description="Days before a partition in which copies are sought.")
    places: list[RegisteredPlace] = Field(
        [],
        description='Further places, or other ones for built-in keys: {"key": "ghent-be", "name": "Ghent", '
        '"country": "BE", "lat": 51.05, "lon": 3.72, "names": ["Gent"]}. Weather within 25 km is about them.',
    )
    symbols: list[Listing] = Field(
        [],
        description='Further assets, or other names for built-in keys: {"key": "equity:TSCO", "names": '
        '{"yahoo": "TSCO.L", "alpha_vantage": "TSCO.LON"}}. Prices of one key are held against each other.',
    )
    quality_threshold: float = Field(
        0.9, ge=0, le=1, description="Quality score of a table and day below which a check warns."
    )
    quality_thresholds: dict[str, float] = Field(
        {}, description='Other thresholds for some tables: {"cleaned/rss_articles": 0.8}.'
    )
    sentiment_model: str | None = Field(
        None, description="Hugging Face model (hub name or folder) to score sentiment beside VADER."
    )
    sentiment_model_file: str | None = Field(
        None,
        description="ONNX file of that model, such as `onnx/model_int8.onnx`; if unset the first of model.onnx, "
        "onnx/model.onnx and onnx/model_quantized.onnx that it has.",
    )
    enrich_threads: int | None = Field(
        None, ge=1, description="Threads that read the texts of a day; one for every core if unset."
    )
    sentiment_model_recall: float = Field(
        0.7,
        gt=1 / 3,
        le=1,
        description="Macro recall of that model on tweets labelled negative, neutral, positive: its weight beside "
        "VADER (0.61). Models of BERT's size reach 0.7 on TweetEval.",
    )
    topic_model: str | None = Field(
        None,
        description="Hugging Face model (hub name, or folder with `model.onnx` or weights for torch) whose vectors of "
        "texts discovered topics are made of; without one they are made of word counts (LDA).",
    )
    spacy_model: str | None = Field(None, description="Installed spaCy pipeline to find entities with.")
    label_drift_tolerance: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Jensen-Shannon divergence in bits, between the labels of a day and those of the week before, "
        "above which the check `label_drift` warns: 0.05 is a fifth of the documents moving from one of three labels "
        "to another.",
    )
    undetermined_language_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of a day's documents in no language that could be told, above which the check "
        "`undetermined_language` warns.",
    )

    geocoder: Literal["nominatim", "opencage"] | None = Field(
        None,
        description="Provider asked for places that texts name and the built-in list does not hold; none if unset.",
    )
    geocoder_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+[^?#]*$",
        description="Address of that provider, such as a Nominatim of your own; its public one if unset.",
    )
    geocoder_api_key: SecretStr | None = Field(None, description="Key of that provider; OpenCage needs one.")
    geocoder_user_agent: str | None = Field(
        None, description="How the platform names itself to that provider; Nominatim wants to be told who asks."
    )
    geocoder_requests_per_minute: int = Field(
        60, ge=1, description="Requests a minute, over all processes; the public Nominatim allows 60."
    )
    geocoder_requests_per_run: int = Field(
        100, ge=1, description="Names that a run may ask for, the most frequent first; the others wait for a later run."
    )
    geocoder_answer_days: int = Field(
        365, ge=1, description="Days after which an answer, that there is no such place too, is asked for again."
    )

    forecast_series_at_most: int = Field(
        1000, ge=0, description="Series that are forecast for a day, those with most history; about 0.1 s each."
    )
    forecast_with_prophet: bool = Field(
        False, description="Try Prophet too (`pip install 'pipeline-platform[prophet]'`); half a second a series."
    )

    schedule_spread_minutes: int = Field(
        10,
        ge=0,
        le=59,
        description="Minutes by which schedules of one cadence are spread; not those whose cadence is set.",
    )
    catch_up_days: int = Field(
        30, ge=1, le=365, description="Days back that the first tick after a standstill catches up with, in one run."
    )
    repair_days: int = Field(
        7,
        ge=0,
        le=365,
        description="Days back in which days that were never fetched are fetched by a sensor; 0 for none.",
    )
    run_retention_days: int = Field(
        30,
        ge=1,
        description="Days that Dagster keeps runs with their events; one that made the newest version of some day of a "
        "table stays.",
    )
    run_log_retention_days: int = Field(
        365, ge=1, description="Days that the run log, and what was wrong and is over, are kept."
    )
    alerts: AlertSettings = Field(AlertSettings(), description="What is told to whom.")

    @field_validator("quality_thresholds")
    @classmethod
    def _are_shares(cls, thresholds: dict[str, float]) -> dict[str, float]:
        wrong = sorted(name for name, value in thresholds.items() if not 0 <= value <= 1)
        if wrong:
            raise ValueError(f"a threshold lies from 0 to 1, not so those of {', '.join(wrong)}")
        return thresholds

    @field_validator("places", "symbols")
    @classmethod
    def _one_per_key(cls, entries: list[Any]) -> list[Any]:
        keys = [entry.key for entry in entries]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"every entry needs a key of its own, these come twice: {', '.join(twice)}")
        return entries

    @property
    def lake_location(self) -> str:
        """Where the lake is: `lake_url`, or a folder of `home`."""
        return self.lake_url or str(self.home.absolute() / "lake")

    @property
    def exports_path(self) -> Path:
        """Folder of the exported Parquet data sets."""
        return self.home.absolute() / "exports"

    @property
    def reports_path(self) -> Path:
        """Folder of the quality reports."""
        return self.home.absolute() / "reports"

    @property
    def first_moment(self) -> datetime:
        """Start of the first partition."""
        return datetime(self.start_date.year, self.start_date.month, self.start_date.day, tzinfo=UTC)


def nested(field: FieldInfo) -> type[BaseModel] | None:
    """The settings that a setting is a group of, each with a variable of its own; None for a plain setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _variable(prefix: str, place: tuple[int | str, ...]) -> tuple[str, str]:
    """The variable that a problem is about, and where in its value."""
    field = Settings.model_fields.get(str(place[0])) if prefix == PREFIX and place else None
    depth = 2 if field is not None and nested(field) else 1
    return prefix + "__".join(str(part).upper() for part in place[:depth]), ".".join(map(str, place[depth:]))


def _explain(prefix: str, error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name, inside = _variable(prefix, problem["loc"])
        lines.append(f"{name}: {f'{inside}: ' if inside else ''}{problem['msg']}")
    return _wrong(lines)


def _explain_unreadable(prefix: str, error: UnreadableValue) -> str:
    found = re.search(r'field "(\w+)"', str(error))
    name = f"{prefix}{found[1].upper()}" if found else f"{prefix}…"
    return _wrong([f"""{name}: is not JSON; write a list as ["one", "two"], with double quotes"""])


def _wrong(lines: list[str]) -> str:
    return "wrong settings:\n  " + "\n  ".join(lines) + "\nSee .env.example for every setting and its form."


def load_settings() -> Settings:
    """The settings of the platform from the environment and `.env`.

    Raises:
        SettingsError: a value is wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(PREFIX, error)) from None
    except UnreadableValue as error:
        raise SettingsError(_explain_unreadable(PREFIX, error)) from None


def source_settings(source: Source) -> Any:
    """The settings of `source` from `PIPELINE_<SOURCE>__*`, an instance of `source.settings`.

    Raises:
        SettingsError: a value is wrong; the message names the variable and never shows the value of a secret.
    """
    prefix = f"{PREFIX}{source.name.upper()}__"
    reader = type(
        f"{source.settings.__name__}FromEnvironment",
        (BaseSettings,),
        {
            "__annotations__": {name: field.annotation for name, field in source.settings.model_fields.items()},
            **source.settings.model_fields,
            "model_config": SettingsConfigDict(env_prefix=prefix, env_file=".env", extra="ignore"),
        },
    )
    try:
        return source.settings(**reader().model_dump(exclude_unset=True))
    except ValidationError as error:
        raise SettingsError(_explain(prefix, error)) from None
    except UnreadableValue as error:
        raise SettingsError(_explain_unreadable(prefix, error)) from None


def missing_credentials(source: Source) -> list[str]:
    """Names of the required settings of `source` that are not set."""
    settings = source_settings(source)
    return [
        f"PIPELINE_{source.name.upper()}__{credential.setting.upper()}"
        for credential in source.credentials
        if credential.required and not getattr(settings, credential.setting)
    ]


def known_variables(sources: Iterable[Source]) -> set[str]:
    """Names of every environment variable the platform reads."""
    names: set[str] = set()
    for name, field in Settings.model_fields.items():
        inner = nested(field)
        variable = f"{PREFIX}{name.upper()}"
        names |= {f"{variable}__{one.upper()}" for one in inner.model_fields} if inner else {variable}
    for source in sources:
        names |= {f"{PREFIX}{source.name.upper()}__{field.upper()}" for field in source.settings.model_fields}
    return names
