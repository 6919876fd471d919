"""How log lines look: JSON for machines, one line a record; or readable ones for people. Set up once per process.

Code logs through `logging.getLogger(__name__)`, at these levels: DEBUG single requests and steps of Dagster, INFO start
and end, WARNING what was tried again or was slow, ERROR what failed, with its context, CRITICAL the system itself. What
is known of where a line comes from is bound by whoever knows it (`structlog.contextvars`): run, asset, partition,
source, request. No secret leaves here, whatever a message holds.
"""

import logging
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from pipeline_platform.settings import Settings, SettingsError, load_settings, source_settings

if TYPE_CHECKING:
    from pipeline_platform.sources.redact import Redactor

Event = MutableMapping[str, Any]

OURS = ("pipeline_platform", "uvicorn", "celery")
"""Loggers that are told from the level of the settings on; the others from WARNING on."""
RECORD = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message"})
"""What every record has; the rest was given by who logged it."""
DAGSTER_META = "dagster_meta"


class PlatformHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error, as it is at the moment of writing."""

    def __init__(self, settings: Settings, level: int) -> None:
        super().__init__(sys.stderr)
        self.log_format = settings.log_format
        self.setLevel(level)
        self.setFormatter(formatter(settings.log_format))

    @property
    def stream(self) -> TextIO:
        """The stream of now: it may have been replaced since."""
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """It is always that of the process."""


def configure(settings: Settings, *, quiet: bool = False) -> None:
    """Set up logging of this process, in place of what was set up before.

    Args:
        settings: format and level.
        quiet: only from WARNING on in the readable format, as for a command that tells people of its work itself.
    """
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, PlatformHandler)]
    level = logging.getLevelNamesMapping()[settings.log_level]
    if quiet and settings.log_format == "console":
        level = max(level, logging.WARNING)
    handler = PlatformHandler(settings, level)
    # Dagster's own loggers have handlers of their own; a run's logger is made by `run_logger`.
    handler.addFilter(lambda record: not record.name.startswith("dagster"))
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(level)


def format_in_use() -> str | None:
    """The format that was set up; None where none was."""
    found = [handler for handler in logging.getLogger().handlers if isinstance(handler, PlatformHandler)]
    return found[0].log_format if found else None


def run_logger(settings: Settings, level: str) -> logging.Logger:
    """The logger that Dagster tells the events of a run."""
    logger = logging.Logger("dagster", level)
    logger.addHandler(PlatformHandler(settings, logging.NOTSET))
    return logger


def formatter(log_format: str) -> ProcessorFormatter:
    """The formatter of a format, `json` or `console`."""
    shown: list[Any] = [structlog.processors.JSONRenderer()]
    if log_format == "console":
        shown = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _given,
        ],
        processors=[ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, _redacted, *shown],
    )


def _given(_logger: Any, _method: str, event: Event) -> Event:
    """What was given with the record; of a record of Dagster what it knows of the run and the step."""
    record: logging.LogRecord = event["_record"]
    meta = getattr(record, DAGSTER_META, None)
    if meta is None:
        event.update({name: value for name, value in record.__dict__.items() if name not in RECORD})
        return event
    happened = meta.get("dagster_event")
    tags = meta.get("job_tags") or {}
    known = {
        "run_id": meta.get("run_id"),
        "job": meta.get("job_name"),
        "step": meta.get("step_key"),
        "source": tags.get("source"),
        "dagster_event": happened.event_type_value if happened is not None else None,
    }
    error = getattr(getattr(happened, "event_specific_data", None), "error", None)
    if error is not None:
        known["exception"] = error.to_string()
    event["event"] = meta.get("orig_message") or event["event"]
    for name, value in known.items():
        if value:
            event.setdefault(name, value)
    return event


def _redacted(_logger: Any, _method: str, event: Event) -> Event:
    return _redactor().pairs(event)


@cache
def _redactor() -> "Redactor":
    """Knows the secrets of the platform and of every source; made when the first line is written."""
    # Importing the sources takes half a second, which a command that says nothing need not wait for.
    from pipeline_platform.sources.redact import Redactor
    from pipeline_platform.sources.registry import SOURCES

    values: set[str] = set()
    try:
        values |= Redactor.of(load_settings()).values
        for source in SOURCES:
            values |= Redactor.of(source_settings(source)).values
    except SettingsError:
        # A wrong setting is told elsewhere, and must not keep a line from being written.
        pass
    return Redactor(values)
