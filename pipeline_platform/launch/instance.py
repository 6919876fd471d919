"""The Dagster instance of the platform: where it lives, and its storage in PostgreSQL."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
from dagster._config import UserConfigSchema
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

from pipeline_platform.settings import Settings, SettingsError, load_settings
from pipeline_platform.storage.servers import sqlalchemy_url

STATEMENT_TIMEOUT_MS = 120_000
POOL_RECYCLE_SECONDS = 3600


class PlatformStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the PostgreSQL of the settings; named in `dagster.yaml`."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """It is configured by the settings of the platform, not by `dagster.yaml`."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - Dagster's signature
    ) -> "PlatformStorage":
        """The storage at `PIPELINE_POSTGRES_URL`.

        Raises:
            SettingsError: Dagster was started without it.
        """
        url = load_settings().postgres_url
        if url is None:
            raise SettingsError(
                "Dagster was started without PIPELINE_POSTGRES_URL. Use `pipeline-platform up` or "
                "`pipeline-platform run`, which start a PostgreSQL of their own, or set the variable to a server."
            )
        storage = cls(
            postgres_url=sqlalchemy_url(url.get_secret_value()), should_autocreate_tables=True, inst_data=inst_data
        )
        # Dagster opens a connection per event unless told to keep one: that was a quarter of the time of a run.
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=POOL_RECYCLE_SECONDS, max_overflow=20
            )
            # It reconnects for six seconds where it cannot connect, but trusts connections that it has: a run would
            # fail because PostgreSQL was started again since its last event.
            event.listen(part._engine, "checkout", _assert_alive)  # type: ignore[union-attr]
        return storage


def _assert_alive(connection: Any, _record: Any, _proxy: Any) -> None:
    """Let the pool replace a connection whose server is gone.

    https://docs.sqlalchemy.org/en/20/core/pooling.html#custom-legacy-pessimistic-ping
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise DisconnectionError from error


def prepare_dagster_home(settings: Settings) -> Path:
    """Make `$PIPELINE_HOME/dagster` with the `dagster.yaml` of the repository, and name it in `DAGSTER_HOME`.

    Raises:
        SettingsError: `dagster.yaml` does not stand beside the package.
    """
    folder = settings.home.absolute() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shipped = Path(__file__).parents[2] / "dagster.yaml"
    if not shipped.exists():
        raise SettingsError(f"{shipped} is missing: run pipeline-platform from its repository (make setup)")
    if not (folder / "dagster.yaml").exists() or (folder / "dagster.yaml").read_bytes() != shipped.read_bytes():
        shutil.copyfile(shipped, folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def command_instance(home: Path) -> dg.DagsterInstance:
    """The instance of `home` for runs in this process, to be used as a context.

    It does not capture output: what a command prints belongs on the terminal at once, not in a file that is copied
    there by processes which a Ctrl-C ends first.
    """
    no_capture = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(home.absolute() / "dagster"), overrides={"compute_logs": no_capture})
    )
