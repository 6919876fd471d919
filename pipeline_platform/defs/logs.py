"""The logger of runs: what Dagster tells of them, in the format of all other lines."""

import logging
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.execution import context_creation_job

from pipeline_platform.operate import logs
from pipeline_platform.settings import load_settings


@dg.logger(
    {"log_level": dg.Field(str, is_required=False, description="From which level on; that of the settings if unset.")},
    description="Lines on standard error, as PIPELINE_LOG_FORMAT says.",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """It is made in every process that executes a run or a step: so this is where logging is set up there."""
    settings = load_settings()
    if logs.format_in_use() is None:
        logs.configure(settings)
    return logs.run_logger(settings, context.logger_config.get("log_level", settings.log_level).upper())


def _loggers_of_runs(_: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Mapping[str, object]]]:
    return [(console, {})]


# A run whose configuration names no logger, as those of automation, gets one that Dagster has no setting for, and not
# that of the definitions.
context_creation_job.default_system_loggers = _loggers_of_runs  # type: ignore[assignment]


@dg.definitions
def loggers() -> dg.Definitions:
    """The logger of every job."""
    return dg.Definitions(loggers={"console": console})
