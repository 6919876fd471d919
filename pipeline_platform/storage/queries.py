"""What is watched of the queries of an engine: those that are slow are told, and within a trace each is a span."""

import logging
import time
from typing import Any

import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from pipeline_platform.sources.tally import mark_failed

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
SHOWN_CHARACTERS = 300
_tracer = trace.get_tracer(__name__)


def watch(engine: sa.Engine) -> None:
    """Watch every query of `engine`; its values, which may be what people wrote, are not told."""

    @event.listens_for(engine, "before_cursor_execute")
    def started(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.watched_since = time.perf_counter()
        context.watched_span = None
        # Outside of a trace a query would be a trace of its own, of which nothing can be learnt.
        if trace.get_current_span().is_recording():
            shown = _shown(statement)
            context.watched_span = _tracer.start_span(
                shown.partition(" ")[0].upper(),
                kind=SpanKind.CLIENT,
                attributes={"db.system.name": "postgresql", "db.query.text": shown},
            )

    @event.listens_for(engine, "after_cursor_execute")
    def ended(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        seconds = time.perf_counter() - context.watched_since
        if context.watched_span is not None:
            context.watched_span.end()
        if seconds >= SLOW_SECONDS:
            told = {"query": _shown(statement), "seconds": round(seconds, 3)}
            log.warning("slow query: %.1f s", seconds, extra=told)

    @event.listens_for(engine, "handle_error")
    def failed(happened: ExceptionContext) -> None:
        opened = getattr(happened.execution_context, "watched_span", None)
        if opened is not None:
            mark_failed(opened, happened.original_exception)
            opened.end()


def _shown(statement: str) -> str:
    return " ".join(statement.split())[:SHOWN_CHARACTERS]
