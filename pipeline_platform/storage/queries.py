"""What is watched of the queries of an engine: those that are slow are told."""

import logging
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
SHOWN_CHARACTERS = 300


def watch(engine: sa.Engine) -> None:
    """Watch every query of `engine`; its values, which may be what people wrote, are not told."""

    @event.listens_for(engine, "before_cursor_execute")
    def started(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.watched_since = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def ended(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        seconds = time.perf_counter() - context.watched_since
        if seconds >= SLOW_SECONDS:
            shown = " ".join(statement.split())[:SHOWN_CHARACTERS]
            log.warning("slow query: %.1f s", seconds, extra={"query": shown, "seconds": round(seconds, 3)})
