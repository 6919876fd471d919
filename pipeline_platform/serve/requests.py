"""What happens around every request to the API: it gets an id, which its log lines and its answer bear."""

import logging
import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

log = logging.getLogger(__name__)

HEADER = b"x-request-id"
SLOW_SECONDS = 1.0
_ID = re.compile(r"[\w.-]{1,64}")


class ObservedRequests:
    """Middleware; an id that the client sends is kept if it is one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and tell of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        status, started = 500, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, answer)
            except Exception:
                log.exception("%s %s failed", scope["method"], scope["path"])
                raise
            finally:
                seconds = time.perf_counter() - started
                level = logging.WARNING if status >= 500 or seconds > SLOW_SECONDS else logging.INFO
                told = {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "seconds": round(seconds, 4),
                }
                log.log(level, "%s %s: %d", scope["method"], scope["path"], status, extra=told)
